"""The mailbox provider behind an MX host, and, where no host is named, behind the recipient's domain.

By MX suffix: a company's own domain is hosted somewhere, and the host decides what is taken. A domain alone tells it only
where it is a provider's own for its users, as gmail.com is.
"""

from functools import lru_cache

_BY_MX: dict[str, str] = {
    "google.com": "gmail",
    "googlemail.com": "gmail",
    "psmtp.com": "gmail",
    "smtp.goog": "gmail",
    "outlook.com": "microsoft",
    "hotmail.com": "microsoft",
    "mx.microsoft": "microsoft",
    "frontbridge.com": "microsoft",
    "outlook.de": "microsoft",
    "outlook.cn": "microsoft",
    "office365.us": "microsoft",
    "yahoodns.net": "yahoo",
    "yahoo.com": "yahoo",
    "aol.com": "yahoo",
    "att.net": "yahoo",
    "prodigy.net": "yahoo",
    "sbcglobal.net": "yahoo",
    "verizon.net": "yahoo",
    "icloud.com": "apple",
    "me.com": "apple",
    "apple.com": "apple",
    "gmx.net": "unitedinternet",
    "gmx.com": "unitedinternet",
    "web.de": "unitedinternet",
    "mail.com": "unitedinternet",
    "kundenserver.de": "unitedinternet",
    "1and1.com": "unitedinternet",
    "ionos.com": "unitedinternet",
    "ionos.de": "unitedinternet",
    "ionos.co.uk": "unitedinternet",
    "perfora.net": "unitedinternet",
    "schlund.de": "unitedinternet",
    "comcast.net": "comcast",
    "mimecast.com": "mimecast",
    "mimecast.co.za": "mimecast",
    "mimecast-offshore.com": "mimecast",
    "mimecast.org": "mimecast",
    "pphosted.com": "proofpoint",
    "ppe-hosted.com": "proofpoint",
    "gpphosted.com": "proofpoint",
    "ppops.net": "proofpoint",
    "barracudanetworks.com": "barracuda",
    "messagelabs.com": "messagelabs",
    "symanteccloud.com": "messagelabs",
    "mail.ru": "mailru",
    "yandex.net": "yandex",
    "yandex.ru": "yandex",
    "yandex.com": "yandex",
    "zoho.com": "zoho",
    "zoho.eu": "zoho",
    "zoho.in": "zoho",
    "zoho.com.au": "zoho",
    "zoho.jp": "zoho",
    "zohomail.com": "zoho",
    "qq.com": "qq",
    "163.com": "netease",
    "126.com": "netease",
    "netease.com": "netease",
    "yeah.net": "netease",
    "naver.com": "naver",
    "orange.fr": "orange",
    "wanadoo.fr": "orange",
    "orange.net": "orange",
    "free.fr": "free",
    "libero.it": "libero",
    "iol.it": "libero",
    "italiaonline.it": "libero",
    "virgilio.it": "libero",
    "t-online.de": "tonline",
    "ovh.net": "ovh",
    "ovh.com": "ovh",
    "ovh.ca": "ovh",
    "secureserver.net": "secureserver",
    "emailsrvr.com": "rackspace",
    "messagingengine.com": "fastmail",
    "protonmail.ch": "proton",
    "proton.me": "proton",
    "proton.ch": "proton",
}

_BY_DOMAIN: dict[str, str] = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), "gmail"),
    **dict.fromkeys(
        ("outlook.com", "hotmail.com", "live.com", "msn.com", "hotmail.co.uk", "hotmail.fr", "hotmail.de",
         "hotmail.it", "hotmail.es", "outlook.de", "outlook.fr", "outlook.es", "outlook.it", "outlook.jp",
         "live.co.uk", "live.fr", "live.nl", "live.de", "live.it", "windowslive.com", "passport.com"),
        "microsoft",
    ),
    **dict.fromkeys(
        ("yahoo.com", "ymail.com", "rocketmail.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "yahoo.it", "yahoo.es",
         "yahoo.ca", "yahoo.com.br", "yahoo.com.au", "yahoo.co.in", "yahoo.in", "aol.com", "aim.com", "aol.co.uk",
         "att.net", "sbcglobal.net", "bellsouth.net", "verizon.net", "netscape.net"),
        "yahoo",
    ),
    **dict.fromkeys(("icloud.com", "me.com", "mac.com"), "apple"),
    **dict.fromkeys(("gmx.net", "gmx.de", "gmx.at", "gmx.ch", "gmx.com", "web.de", "mail.com"), "unitedinternet"),
    **dict.fromkeys(("comcast.net",), "comcast"),
    **dict.fromkeys(("mail.ru", "inbox.ru", "list.ru", "bk.ru", "internet.ru"), "mailru"),
    **dict.fromkeys(("yandex.ru", "yandex.com", "ya.ru", "yandex.by", "yandex.kz"), "yandex"),
    **dict.fromkeys(("zoho.com", "zohomail.com", "zohomail.eu"), "zoho"),
    **dict.fromkeys(("qq.com", "foxmail.com"), "qq"),
    **dict.fromkeys(("163.com", "126.com", "yeah.net"), "netease"),
    **dict.fromkeys(("naver.com",), "naver"),
    **dict.fromkeys(("orange.fr", "wanadoo.fr"), "orange"),
    **dict.fromkeys(("free.fr",), "free"),
    **dict.fromkeys(("libero.it", "virgilio.it"), "libero"),
    **dict.fromkeys(("t-online.de",), "tonline"),
    **dict.fromkeys(("fastmail.com", "fastmail.fm"), "fastmail"),
    **dict.fromkeys(("proton.me", "protonmail.com", "pm.me"), "proton"),
}  # fmt: skip


@lru_cache(maxsize=65_536)
def provider_of(mx_host: str | None, recipient_domain: str | None = None) -> str:
    """One of `schemas.mail.PROVIDERS`; `other` where neither tells.

    Case, a trailing dot, and an address or port after the host (`mx.example.com[10.1.1.1]:25`) do not matter. A host that is
    named and unknown is `other`, whatever the domain.
    """
    if mx_host:
        labels = mx_host.strip().partition("[")[0].partition(":")[0].rstrip(".").lower().split(".")
        for start in range(len(labels) - 1):
            found = _BY_MX.get(".".join(labels[start:]))
            if found is not None:
                return found
        return "other"
    return _BY_DOMAIN.get((recipient_domain or "").strip().rstrip(".").lower(), "other")


def provider_names() -> frozenset[str]:
    """Every name that `provider_of` can give, `other` apart."""
    return frozenset(_BY_MX.values()) | frozenset(_BY_DOMAIN.values())
