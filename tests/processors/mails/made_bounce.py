"""How a bounce that is no DSN is written down for tests, and its bytes."""

from dataclasses import dataclass, field

from made_mails import RETURNED

COPY = "\n------ This is a copy of the message, including all the headers. ------\n\n" + RETURNED


@dataclass(frozen=True)
class Made:
    """A bounce and what it must become."""

    name: str
    sender: str
    subject: str
    note: str
    recipients: tuple[str, ...] = ("user@example.net",)
    action: str = "failed"
    said: str = ""
    """What the response must hold."""
    code: int | None = None
    enhanced: str | None = None
    charset: str = "utf-8"
    header: dict[str, str] = field(default_factory=dict)
    html: bool = False

    @property
    def mail(self) -> bytes:
        """Its bytes."""
        kind = "text/html" if self.html else "text/plain"
        fields = {
            "Return-Path": "<>",
            "From": self.sender,
            "To": "b-17@bounce.example.com",
            "Subject": self.subject,
            "Date": "Sun, 1 Nov 2026 09:00:05 +0000",
            "MIME-Version": "1.0",
            "Content-Type": f'{kind}; charset="{self.charset}"',
            **self.header,
        }
        head = "".join(f"{name}: {value}\n" for name, value in fields.items())
        return head.encode() + b"\n" + self.note.encode(self.charset, "replace")
