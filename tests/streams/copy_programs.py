"""A copy as a process of its own, to be killed: says a line for each step."""

import sys

from mailwake.opening import open_any_log, open_log_as_it_is
from mailwake.settings import load_settings
from streams.log_copy import Copying, copy_log

if __name__ == "__main__":
    source, target, partitions, step = sys.argv[1:]
    settings = load_settings().model_copy(update={"kafka_partitions": int(partitions)})
    copy_log(
        open_log_as_it_is(settings, source),
        open_any_log(settings, target),
        Copying(step_records=int(step)),
        lambda name, records, left: print(name, records, flush=True),  # noqa: T201
    )
