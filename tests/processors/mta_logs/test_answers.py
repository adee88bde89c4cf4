"""What servers said, as events hold it."""

import pytest

from processors.mta_logs.answers import Answer, answer_of
from schemas.mail import MessageBounced


@pytest.mark.parametrize(
    "said",
    [
        "550 5.1.1 <ann@example.org>: no such user",
        "550 5.1.1 ann%40example.org is unknown",
        "550 5.1.1 see https://help.example/?user=ann=40example.org",
        "550 5.1.1 ann&#64;example.org is unknown",
    ],
)
def test_addresses_are_replaced_however_they_are_written(said: str) -> None:
    answer = answer_of(said, "ann@example.org")
    assert (answer.smtp_code, answer.enhanced_code) == (550, "5.1.1")
    assert answer.response is not None and "example.org" not in answer.response
    assert MessageBounced(response=said).response == answer.response


def test_a_recipient_without_a_domain_is_not_looked_for_in_words() -> None:
    assert answer_of("550 no mailbox", "no") == Answer(550, None, "550 no mailbox")
    assert answer_of("", "ann@example.org") == Answer(None, None, None)
