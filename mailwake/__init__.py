"""mailwake: everything that happens to your mail is an event in a log; the rest is a fold over it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mailwake.emitter import Emitter
    from schemas.record import InvalidEvent

__all__ = ["Emitter", "InvalidEvent"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "Emitter":
        from mailwake.emitter import Emitter

        return Emitter
    if name == "InvalidEvent":
        from schemas.record import InvalidEvent

        return InvalidEvent
    raise AttributeError(f"module 'mailwake' has no attribute {name!r}")
