"""The reply code (RFC 5321, 4.2) and the enhanced status code (RFC 3463) that a text holds.

Texts hold other numbers too: addresses of hosts, versions of programs, sizes, ports. So a code counts only where one is
written: at the beginning, after "smtp;", "said:", "<<<" and the like, before an enhanced code of its own class, or at the
beginning of a sentence in brackets.
"""

import re

_ENHANCED = r"[245]\.[0-7]\.\d{1,3}"
_END = r"(?![\w]|\.\d)"

_AT_START = re.compile(
    r"(?:\W|smtp;|x-[a-z]{1,20};|(?:remote )?(?:smtp )?(?:error|code|status|reply|response)[: ])*?"
    rf"([245][0-579]\d)(?=[\s\-#:;,.(\[<]|$){_END}"
)
_WITH_ENHANCED = re.compile(rf"(?<![\w.])([245][0-579]\d)[\s\-#:;,.(\[]{{1,3}}({_ENHANCED}){_END}")
_INTRODUCED = re.compile(
    r"(?:(?:said|says|replied|responded|response|returned|error|code|status|server|reason|with|smtp|was|reply|data"
    r"|command|diagnostic|rcpt to|mail from)[^\w.]{1,6}|[:;>(\[\"'#] ?|\n\s{0,8}|<<< ?)"
    rf"([45][0-579]\d){_END}(?:[\- ](?=[^\d\s]|\d{{1,3}}\.\d{{1,3}}\.)|[#:;,(\[<)\]]|$)"
)
_ANY_ENHANCED = re.compile(r"[245]\.[0-7]\.\d")
_ENHANCED_AT_START = re.compile(rf"(?:\W|smtp;|x-[a-z]{{1,20}};|status:?)*?({_ENHANCED}){_END}")
_ENHANCED_MARKED = re.compile(
    rf"(?:#|\(|\[|dsn[=: ]{{1,2}}|status[=: (]{{1,2}}|code[=: ]{{1,2}}|; ?)({_ENHANCED}){_END}"
)
_ENHANCED_ANYWHERE = re.compile(
    r"(?<![\w.\-/])(?<!exim )(?<!postfix )(?<!version )(?<!sendmail )(?<!release )(?<!php )(?<!build )(?<!server )"
    rf"({_ENHANCED}){_END}"
)


def reply_code_in(text: str) -> int | None:
    """The reply code that a text in lower case holds; None if it holds none."""
    found = _AT_START.match(text) or _WITH_ENHANCED.search(text) or _INTRODUCED.search(text)
    return int(found[1]) if found else None


def enhanced_code_in(text: str) -> str | None:
    """The enhanced status code that a text in lower case holds; None if it holds none."""
    if _ANY_ENHANCED.search(text) is None:
        return None
    if (found := _WITH_ENHANCED.search(text)) and found[1][0] == found[2][0]:
        return found[2]
    found = _ENHANCED_AT_START.match(text) or _ENHANCED_MARKED.search(text) or _ENHANCED_ANYWHERE.search(text)
    return found[1] if found else None
