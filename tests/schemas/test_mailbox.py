"""What is taken for a recipient that somebody names, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.mailbox import LONGEST, mailbox, mailed
from schemas.recipient import InvalidAddress, normalised

WITHIN_A_NETWORK = (
    "root@localhost", "jo@ex_ample.com", "jo@_srv.mail_host.lan", "jo@LOCALHOST", '"a b"@host',
)  # fmt: skip


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
    assert mailed(text) == mailed(f" <{text}>\r\n") == text


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
    if text not in ("jo@localhost", "jo@ex_ample.com"):
        with pytest.raises(InvalidAddress) as refused:
            mailed(text)
        assert len(text) < 4 or text not in str(refused.value)


def test_a_break_within_is_no_blank_around() -> None:
    with pytest.raises(InvalidAddress):
        mailbox("jo@c.example\r\nBcc: x@c.example")


@pytest.mark.parametrize("text", WITHIN_A_NETWORK)
def test_a_program_may_have_mailed_within_a_network(text: str) -> None:
    assert mailed(text) == mailed(f"<{text}>") == text
    assert normalised(text)
    with pytest.raises(InvalidAddress):
        mailbox(text)


@pytest.mark.parametrize("letter", ["a", "ö", "用"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_an_address_has_so_many_octets_and_no_more(letter: str, quote: str) -> None:
    end = f"{quote}@c.example"
    room = LONGEST - len(f"{quote}{end}".encode())
    local = letter * (room // len(letter.encode()))
    longest = f"{quote}{local.rjust(len(local) + room % len(letter.encode()), 'x')}{end}"
    assert len(longest.encode()) == LONGEST
    assert mailed(longest) == longest
    with pytest.raises(InvalidAddress, match="longer than the 254 octets"):
        mailed(f"{quote}y{longest.removeprefix(quote)}")


@pytest.mark.parametrize(
    "text",
    ["foo", "a b@c", "jo@", "jo@c..example", "jo@-c", "jo@c-", "jo@c.", "jo@_..c", "j\x07o@c.example", "jo@c\x00.example",
     "jo\r\nRCPT TO:<x@c.example>", "\udcffo\udc80@c.example\n\n<", "x" * 300 + "@c.example", "jo@" + "d" * 64],
)  # fmt: skip
def test_what_a_program_can_not_have_mailed_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        mailed(text)


@given(st.text(max_size=40), st.sampled_from(["", "c.example", "localhost", "[192.0.2.1]", "bücher.example"]))
def test_what_is_taken_can_be_hashed_and_is_the_same_address_again(local: str, domain: str) -> None:
    try:
        taken = mailed(f"{local}@{domain}")
    except InvalidAddress:
        return
    assert mailed(taken) == taken
    assert normalised(taken).isprintable()
