"""What is taken for a recipient that somebody names, and what is refused."""

import pytest

from schemas.mailbox import mailbox
from schemas.recipient import InvalidAddress


@pytest.mark.parametrize(
    "text",
    [
        "jo@c.example", "Jo.Do+tag@Sub.Example.co", "o'neil@c.example", "{jo}|=#@c.example", '"jo do"@c.example',
        '"a@b\\"c, <d>"@c.example', "jo@[192.0.2.1]", "jo@[IPv6:2001:db8::1]", "jörg@bücher.example", "用户@例子.广告",
        "jo@xn--bcher-kva.example", "a..b.@docomo.example", "jo@1.example", '""@c.example', '"jörg do"@c.example',
    ],
)  # fmt: skip
def test_an_address_is_taken_as_it_is(text: str) -> None:
    assert mailbox(text) == text
    assert mailbox(f" <{text}>\r\n") == text
    assert mailbox(f"< {text} >") == text
    assert mailbox(f"\u00a0{text}\t") == text


@pytest.mark.parametrize(
    "text",
    [
        "", "<>", "nobody", "@", "@a.example", "jo@", "jo@localhost", "jo@@c.example", "jo@a@c.example", "a b@c.example",
        "jo@c.example,", "jo@c.example;", "jo@c.example.", "jo@c..example", "jo@.c.example", "jo@exa mple.com",
        "Jo <jo@c.example>", '"Jo" <jo@c.example>', "<jo@c.example", "jo@c.example>", "<<jo@c.example>>",
        "mailto:jo@c.example", '{"email":"jo@c.example"}', 'jo@c.example"}', "'jo@c.example'", "“jo@c.example”",
        "a@b.example; c@d.example", "a@b.example,c@d.example", "a@b.example c@d.example", "(jo)jo@c.example",
        "jo@c.example (jo)", "jo@-c.example", "jo@c-.example", "jo@" + "a" * 64 + ".com", "jo@[192.0.2.256]", "jo@[]",
        "jo@[192.0.2.1", "jo@[IPv6:192.0.2.1]", "\u200bjo@c.example", "\ufeffjo@c.example", "j\u00a0o@c.example",
        "jo\n@c.example", "jo@c.example\nx", "j\x00o@c.example", '"jo"do@c.example', '"jo"do"@c.example', "«jo@c.example",
        "jo@ex_ample.com", "jo@ex\u2028ample.com", "jo@" + "a." * 130 + "com",
    ],
)  # fmt: skip
def test_what_is_not_one_address_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidAddress) as refused:
        mailbox(text)
    assert len(text) < 4 or text not in str(refused.value)


def test_a_break_within_is_no_blank_around() -> None:
    with pytest.raises(InvalidAddress):
        mailbox("jo@c.example\r\nBcc: x@c.example")
