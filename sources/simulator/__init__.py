"""A world of senders, simulated: mail events and DMARC reports with incidents whose truth is known.

`Scenario` says what to simulate; `simulate` yields what arrives, slice by slice; `into_log` appends it.
`sources.simulator.traffic` makes plain traffic for measurements. Needs numpy and polars.
"""

from sources.simulator.incidents import KINDS, Incident, truth_of, write_truth
from sources.simulator.records import SimulationReport, document_records, into_log, mail_records, records_of
from sources.simulator.reports import Document
from sources.simulator.simulate import Scenario, Slice, days_before_today, simulate
from sources.simulator.world import World

__all__ = [
    "KINDS",
    "Document",
    "Incident",
    "Scenario",
    "SimulationReport",
    "Slice",
    "World",
    "days_before_today",
    "document_records",
    "into_log",
    "mail_records",
    "records_of",
    "simulate",
    "truth_of",
    "write_truth",
]
