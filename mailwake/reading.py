"""What documents are read with, as the settings say."""

from mailwake.keyring.opening import KeysWhenAsked
from mailwake.settings import Settings, SettingsError
from processors.documents.reading import ReadingSettings
from processors.documents.stage import DocumentStage
from processors.mails.settings import InvalidPattern, MailSettings
from streams.blobs import Blobs


def reading_settings(settings: Settings) -> ReadingSettings:
    """How documents are read. Raises SettingsError for a pattern of addresses that can't be."""
    try:
        return ReadingSettings(mails=MailSettings(settings.verp, settings.unsubscribe))
    except InvalidPattern as error:
        raise SettingsError(f"MAILWAKE_VERP, MAILWAKE_UNSUBSCRIBE: {error}") from None


def document_stage(settings: Settings) -> DocumentStage:
    """The stage that reads documents, without state. Raises SettingsError."""
    return DocumentStage(Blobs(settings.blobs).get, reading_settings(settings), KeysWhenAsked(settings))
