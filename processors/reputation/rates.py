"""The rates that are read from counts: one table of them.

A rate is never stored, and never summed: sum the counts, then divide. Where the denominator is 0 there is no
rate (null). A rate can be above 1: deferrals are attempts, and a late complaint lies in its own bucket.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Rate(NamedTuple):
    """One count per another."""

    numerator: str
    denominator: str

    def sql(self) -> str:
        """The rate as a ClickHouse expression over columns of counts."""
        return f"if({self.denominator} = 0, NULL, {self.numerator} / {self.denominator})"


RATES: Mapping[str, Rate] = {
    "delivery_rate": Rate("delivered", "sent"),
    "deferral_rate": Rate("deferred", "sent"),
    "bounce_rate": Rate("bounced", "sent"),
    "complaint_rate": Rate("complained", "delivered"),
    "unsubscribe_rate": Rate("unsubscribed", "delivered"),
}
"""Delivered, deferred and bounced per sent; complaints and unsubscribes per delivered."""
