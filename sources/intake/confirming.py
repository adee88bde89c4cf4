"""Saying yes to SNS: the URL in its SubscriptionConfirmation is visited.

Source: Amazon SNS developer guide, 'Preparing your Amazon SNS endpoint': the verified message's SubscribeURL is to be
fetched. That its host is Amazon's was checked with the signature (`sources.hooks`).
"""

TIMEOUT_S = 10.0
_READ = 64 * 1024


class NotConfirmed(Exception):
    """Amazon did not answer, or not with yes."""


def confirm(url: str) -> None:
    """Visit the URL, without going elsewhere from there. Raises NotConfirmed. Blocks."""
    import urllib3

    with urllib3.PoolManager(timeout=TIMEOUT_S, retries=False) as pool:
        try:
            answer = pool.request("GET", url, redirect=False, preload_content=False)
            answer.read(_READ)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise NotConfirmed(f"no answer ({type(error).__name__})") from None
        if answer.status != 200:
            raise NotConfirmed(f"the answer is {answer.status}")
