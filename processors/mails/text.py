"""Bytes to text as mail needs it: what is declared, what is meant, and what can be read whatever was declared."""

import html
import re
from binascii import Error as BinasciiError
from binascii import a2b_qp

from processors.mails.transfer_encoding import from_base64

TEXT_BYTES = 256 * 1024
"""How much of a text part is read."""

_CHARSET = re.compile(
    r"utf-?(?:7|8|16|32)(?:[-_]?[bl]e)?|(?:us-?)?ascii|iso-?8859-?\d{1,2}|iso-?2022-(?:jp|kr)(?:-\w{1,4})?"
    r"|(?:windows|cp|ibm|dos)-?\d{3,4}|koi8-?[rut]|gb(?:2312|k|18030)|big5(?:-?hkscs)?|hz(?:-gb-?2312)?"
    r"|(?:x-)?s(?:hift)?[-_]?jis|euc[-_]?(?:jp|kr)|ks_c_5601-1987|tis-?620|mac-?(?:roman|cyrillic)|latin-?\d{1,2}"
)
_ALIASES = {
    "ks_c_5601-1987": "cp949",
    "x-sjis": "shift_jis",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "hz-gb-2312": "hz",
}
_SAID_WITHOUT_THOUGHT = {"", "us-ascii", "ascii", "iso-8859-1", "latin1", "latin-1", "windows-1252", "cp1252"}
_WORD = re.compile(r"=\?([\w.:-]{1,40})(?:\*[\w-]{0,20})?\?([bBqQ])\?([^?]{0,2000})\?=")
_HIGH = re.compile(rb"[\x80-\xff]")
_BETWEEN_WORDS = re.compile(r"(\?=)\s{1,50}(=\?)")
_COMMON = {
    "gb18030": "的是不了在有您这邮件收信退无法发送地址用户",
    "shift_jis": "のはをにがでとたしすまいるれなせんメールーアドレス",
    "euc_jp": "のはをにがでとたしすまいるれなせんメールーアドレス",
    "big5": "的是不了在有您這郵件收信退無法發送地址用戶",
    "koi8_r": "оеаинтсрвлкмдпу",
    "cp1251": "оеаинтсрвлкмдпу",
    "euc_kr": "이다는을의에가하지고메일주소",
}
_MINORITY = 0.2
"""How much of what is not ASCII must be a language's commonest characters before it is taken for that language."""


def text_of(content: bytes, charset: str) -> str:
    """A text part's characters. Never raises: what can't be read is replaced."""
    content = content[:TEXT_BYTES]
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace").replace("\x00", "")
    if content.startswith(b"\xef\xbb\xbf"):
        content = content[3:]
    name = charset.strip().strip("\"'").lower()
    if b"\x00" in content and content.count(b"\x00") * 4 > len(content):
        little = content[1::2].count(b"\x00") >= content[0::2].count(b"\x00")
        return content.decode("utf-16-le" if little else "utf-16-be", "replace").replace("\x00", "")
    if (
        content.isascii()
        and b"\x1b" not in content
        and not name.startswith(("utf-7", "utf7", "hz", "utf-16"))
    ):
        return content.decode("ascii").replace("\x00", " ")
    text = _decoded(content, name).replace("\x00", " ")
    # UTF-7 can spell half of a surrogate pair, which is no character and can't be written anywhere.
    return text.encode("utf-8", "replace").decode() if name.startswith(("utf-7", "utf7")) else text


def _decoded(content: bytes, name: str) -> str:
    if b"\x1b$" in content or b"\x1b(" in content:
        return content.decode("iso2022_jp_2", "replace")
    if not name.startswith(("utf-7", "utf7", "hz")):
        try:
            # Text that happens to be valid UTF-8 is UTF-8, whatever is declared.
            return content.decode()
        except UnicodeDecodeError as error:
            if error.start >= len(content) - 4 and error.start > 0 and len(content) >= TEXT_BYTES - 4:
                return content[: error.start].decode()
    if name not in _SAID_WITHOUT_THOUGHT and _CHARSET.fullmatch(name):
        try:
            return content.decode(_ALIASES.get(name, name), "replace" if name.startswith("utf") else "strict")
        except UnicodeDecodeError as error:
            if error.start >= len(content) - 8:
                return content.decode(_ALIASES.get(name, name), "replace")
        except LookupError:
            pass
    return _guessed(content)


def _guessed(content: bytes) -> str:
    """What nobody declared: a language's commonest characters tell it; Western Europe's has few that are not ASCII."""
    first = _HIGH.search(content)
    sample = content[max(0, first.start() - 1) if first else 0 :][:2048]
    best, best_share = "cp1252", _MINORITY
    if len(_HIGH.findall(sample)) * 8 > len(sample):
        for codec, common in _COMMON.items():
            text = sample.decode(codec, "replace")
            foreign = len(text) - len(text.encode("ascii", "ignore"))
            if text.count("\ufffd") * 5 > foreign:
                continue
            share = sum(map(text.count, common)) / max(1, foreign)
            if share > best_share:
                best, best_share = codec, share
    return content.decode(best, "replace")


def words_of(value: str) -> str:
    """A field's value with its encoded words decoded (RFC 2047); what is no encoded word stays."""
    if "=?" not in value:
        return value
    return _WORD.sub(_word, _BETWEEN_WORDS.sub(r"\1\2", value))


def _word(match: re.Match[str]) -> str:
    charset, encoding, encoded = match.groups()
    try:
        octets = encoded.encode("ascii")
        if encoding in "bB":
            return text_of(from_base64(octets), charset)
        return text_of(a2b_qp(octets, header=True), charset)
    except (UnicodeEncodeError, BinasciiError):
        return match.group(0)


_TAG = re.compile(r"<(/?[A-Za-z!][^<>]*)>")
_BREAKS = re.compile(r"/?(?:br|p|div|tr|td|li|h[1-6]|table|pre|hr|blockquote|ul|title)\b", re.I)
_SPACES = re.compile(r"[ \t\xa0]{2,}")


def text_of_html(markup: str) -> str:
    """What a reader of this HTML sees, one line for each block."""
    if _TAG.search(markup) is None:
        return html.unescape(markup).replace("\r\n", "\n")
    for element in ("style", "script"):
        markup = _without(markup, element)
    markup = markup.replace("\r", "").replace("\n", " ")
    text = html.unescape(_TAG.sub(_line_or_nothing, markup))
    return _SPACES.sub(" ", text)


def _line_or_nothing(match: re.Match[str]) -> str:
    tag = match.group(1)
    if _BREAKS.match(tag):
        return "\n"
    if "@" in tag and "=" not in tag and " " not in tag:
        return match.group(0)
    return ""


def _without(markup: str, element: str) -> str:
    lower = markup.lower()
    if len(lower) != len(markup):
        return markup
    kept, at = [], 0
    while (start := lower.find("<" + element, at)) >= 0:
        kept.append(markup[at:start])
        end = lower.find("</" + element, start)
        if end < 0:
            at = len(markup)
            break
        at = end + len(element) + 2
    kept.append(markup[at:])
    return "".join(kept)
