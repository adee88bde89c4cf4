"""What receiving servers say: reply codes, enhanced codes and texts, by provider and situation.

Texts are as the providers publish or send them, addresses replaced by `<address>`. `{id}` stands for what the
server makes up for each session.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
import polars as pl

from sources.simulator.draws import Draws, Ints, Numbers, hex_texts
from sources.simulator.providers import PROVIDERS


@dataclass(frozen=True, slots=True)
class Reply:
    """One thing a server says. `provider` is None for what any server may say."""

    situation: str
    provider: str | None
    smtp_code: int
    enhanced_code: str
    text: str


SITUATIONS = (
    "accepted", "throttled", "greylisted", "trouble", "dkim_deferred", "listed_deferred",
    "unknown", "disabled", "quota", "content", "listed", "dkim", "dmarc",
)  # fmt: skip
"""Why a server says something. `accepted` is a delivery, the next five are deferrals, the others bounces."""

REPLIES = (
    Reply("accepted", None, 250, "2.0.0", "250 2.0.0 Ok: queued as {id}"),
    Reply("accepted", "gmail", 250, "2.0.0", "250 2.0.0 OK {id}.121 - gsmtp"),
    Reply("accepted", "microsoft", 250, "2.6.0", "250 2.6.0 [InternalId={id}, Hostname=PH7PR12MB.namprd12.prod.outlook.com] Queued mail for delivery"),
    Reply("accepted", "yahoo", 250, "2.0.0", "250 ok dirdel"),
    Reply("accepted", "apple", 250, "2.1.5", "250 2.1.5 Ok"),
    Reply("accepted", "unitedinternet", 250, "2.0.0", "250 Requested mail action okay, completed: id={id}"),
    Reply("accepted", "comcast", 250, "2.0.0", "250 2.0.0 {id} mail accepted for delivery"),
    Reply("accepted", "mailru", 250, "2.0.0", "250 OK id={id}"),
    Reply("accepted", "mimecast", 250, "2.0.0", "250 SmtpThread-{id} Received OK [{id}.uk1]"),
    Reply("accepted", "proofpoint", 250, "2.0.0", "250 2.0.0 {id}-1 Message accepted for delivery"),
    Reply("throttled", None, 451, "4.7.1", "451 4.7.1 Too many messages from your host, slow down"),
    Reply("throttled", "gmail", 421, "4.7.28", "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail originating from your IP address. To protect our users from spam, mail sent from your IP address has been temporarily rate limited. For more information, go to https://support.google.com/mail/?p=UnsolicitedRateLimitError {id} - gsmtp"),
    Reply("throttled", "gmail", 421, "4.7.28", "421-4.7.28 Gmail has detected an unusual rate of unsolicited mail containing one of your URL domains. To protect our users from spam, mail with the URL domain has been temporarily rate limited. {id} - gsmtp"),
    Reply("throttled", "microsoft", 451, "4.7.500", "451 4.7.500 Server busy. Please try again later from [<ip>]. (S77714) [{id}.namprd12.prod.outlook.com]"),
    Reply("throttled", "microsoft", 421, "4.7.0", "421 RP-001 Unfortunately, some messages from your host weren't sent: the mail server IP connecting to Outlook.com server has exceeded the rate limit allowed."),
    Reply("throttled", "yahoo", 421, "4.7.0", "421 4.7.0 [TSS04] Messages from your host temporarily deferred due to unexpected volume or user complaints - 4.16.55.1; see https://postmaster.yahooinc.com/error-codes"),
    Reply("throttled", "comcast", 421, "4.2.1", "421 4.2.1 comcast RL000001 Throttled: try again later; https://postmaster.comcast.net/smtp-error-codes.php#RL000001"),
    Reply("throttled", "apple", 450, "4.7.0", "450 4.7.0 [CS01] Message deferred due to excessive volume. Visit https://support.apple.com/en-us/HT204137"),
    Reply("throttled", "unitedinternet", 421, "4.7.0", "421 Service not available: too many connections from your host; https://postmaster.gmx.net/en/error-messages?code=tc&c={id}"),
    Reply("throttled", "mailru", 451, "4.7.1", "451 4.7.1 Too many messages, try again later. https://help.mail.ru/notspam-support/id?c={id}"),
    Reply("greylisted", None, 451, "4.7.1", "451 4.7.1 <address>: Recipient address rejected: Greylisted, please try again in 300 seconds"),
    Reply("greylisted", "mimecast", 451, "4.7.0", "451 Internal resource temporarily unavailable - https://community.mimecast.com/docs/DOC-1369#451 [{id}.uk1]"),
    Reply("greylisted", "orange", 421, "4.3.2", "421 mwinf5c04 ME Trop de connexions, veuillez verifier votre configuration. Too many connections, slow down. OFR004_104 [104]"),
    Reply("trouble", None, 421, "4.4.2", "421 4.4.2 Connection dropped due to timeout"),
    Reply("trouble", None, 451, "4.3.0", "451 4.3.0 Temporary local problem, please try later"),
    Reply("trouble", "gmail", 421, "4.3.0", "421-4.3.0 Temporary System Problem. Try again later (10). {id} - gsmtp"),
    Reply("trouble", "microsoft", 451, "4.3.2", "451 4.3.2 Temporary server error. Please try again later ATTR2 [{id}.eurprd05.prod.outlook.com]"),
    Reply("trouble", "yahoo", 451, "4.3.2", "451 4.3.2 Resources temporarily unavailable. Please try again later [{id}]."),
    Reply("dkim_deferred", None, 451, "4.7.20", "451 4.7.20 No valid DKIM signature found, try again later"),
    Reply("dkim_deferred", "gmail", 421, "4.7.30", "421-4.7.30 Your email has been rate limited because DKIM authentication didn't pass for this message. Gmail requires all bulk email senders to authenticate their email with DKIM. {id} - gsmtp"),
    Reply("listed_deferred", None, 451, "4.7.1", "451 4.7.1 Service unavailable; Client host [<ip>] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/<ip>"),
    Reply("listed_deferred", "microsoft", 451, "4.7.650", "451 4.7.650 The mail server [<ip>] has been temporarily rate limited due to IP reputation. For e-mail delivery information, see https://aka.ms/postmaster (S775) [{id}.prod.protection.outlook.com]"),
    Reply("listed_deferred", "yahoo", 421, "4.7.1", "421 4.7.1 [TSS09] All messages from <ip> will be permanently deferred; Retrying will NOT succeed. See https://postmaster.yahooinc.com/error-codes"),
    Reply("unknown", None, 550, "5.1.1", "550 5.1.1 <address>: Recipient address rejected: User unknown in virtual mailbox table"),
    Reply("unknown", "gmail", 550, "5.1.1", "550-5.1.1 The email account that you tried to reach does not exist. Please try double-checking the recipient's email address for typos or unnecessary spaces. For more information, go to https://support.google.com/mail/?p=NoSuchUser {id} - gsmtp"),
    Reply("unknown", "microsoft", 550, "5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302). [{id}.eurprd05.prod.outlook.com]"),
    Reply("unknown", "microsoft", 550, "5.4.1", "550 5.4.1 Recipient address rejected: Access denied. For more information see https://aka.ms/EXOSmtpErrors [{id}.eurprd05.prod.protection.outlook.com]"),
    Reply("unknown", "yahoo", 554, "5.0.0", "554 delivery error: dd This user doesn't have a yahoo.com account (<address>) [0] - mta4001.mail.bf1.yahoo.com"),
    Reply("unknown", "apple", 550, "5.1.1", "550 5.1.1 <address>: user does not exist"),
    Reply("unknown", "unitedinternet", 550, "5.1.1", "550 Requested action not taken: mailbox unavailable. For explanation visit https://postmaster.gmx.net/en/case?c=r0601&i=ip&v=<ip>&r={id}"),
    Reply("unknown", "comcast", 550, "5.1.1", "550 5.1.1 <address> Account not available"),
    Reply("unknown", "mailru", 550, "5.1.1", "550 Message was not accepted -- invalid mailbox. Local mailbox <address> is unavailable: user not found"),
    Reply("unknown", "mimecast", 550, "5.1.1", "550 Invalid Recipient - https://community.mimecast.com/docs/DOC-1369#550 [{id}.uk1]"),
    Reply("disabled", None, 550, "5.2.1", "550 5.2.1 <address>: mailbox disabled, not accepting messages"),
    Reply("disabled", "gmail", 550, "5.2.1", "550-5.2.1 The email account that you tried to reach is inactive. For more information, go to https://support.google.com/mail/?p=DisabledUser {id} - gsmtp"),
    Reply("disabled", "yahoo", 554, "5.0.0", "554 30 Sorry, your message to <address> cannot be delivered. This mailbox is disabled (554.30)."),
    Reply("quota", None, 552, "5.2.2", "552 5.2.2 <address>: mailbox is full"),
    Reply("quota", "gmail", 552, "5.2.2", "552-5.2.2 The recipient's inbox is out of storage space and inactive. Please direct the recipient to https://support.google.com/mail/?p=OverQuotaPerm {id} - gsmtp"),
    Reply("quota", "microsoft", 554, "5.2.2", "554 5.2.2 mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded; Failed to process message due to a permanent exception [{id}.namprd11.prod.outlook.com]"),
    Reply("quota", "yahoo", 552, "5.2.2", "552 1 Requested mail action aborted, mailbox not found or over quota (<address>)"),
    Reply("content", None, 554, "5.7.1", "554 5.7.1 Message rejected as spam by content filtering"),
    Reply("content", "gmail", 550, "5.7.1", "550-5.7.1 Our system has detected that this message is likely unsolicited mail. To reduce the amount of spam sent to Gmail, this message has been blocked. For more information, go to https://support.google.com/mail/?p=UnsolicitedMessageError {id} - gsmtp"),
    Reply("content", "microsoft", 550, "5.7.1", "550 5.7.1 Service unavailable, message was considered spam (AS345) [{id}.prod.protection.outlook.com]"),
    Reply("content", "yahoo", 554, "5.7.9", "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes [PH01]"),
    Reply("content", "apple", 554, "5.7.1", "554 5.7.1 [HM08] Message rejected due to local policy. Please visit https://support.apple.com/en-us/HT204137"),
    Reply("content", "comcast", 554, "5.7.1", "554 5.7.1 comcast BL000010 Message rejected as likely spam; https://postmaster.comcast.net/smtp-error-codes.php#BL000010"),
    Reply("listed", None, 554, "5.7.1", "554 5.7.1 Service unavailable; Client host [<ip>] blocked using zen.spamhaus.org; Listed by SBL, see https://check.spamhaus.org/sbl/query/{id}"),
    Reply("listed", "microsoft", 550, "5.7.1", "550 5.7.1 Unfortunately, messages from [<ip>] weren't sent. Please contact your Internet service provider since part of their network is on our block list (S3140). You can also refer your provider to http://mail.live.com/mail/troubleshooting.aspx#errors. [{id}.prod.protection.outlook.com]"),
    Reply("listed", "yahoo", 553, "5.7.1", "553 5.7.1 [BL21] Connections will not be accepted from <ip>, because the ip is in Spamhaus's list; see https://postmaster.yahooinc.com/error-codes"),
    Reply("listed", "comcast", 554, "5.7.1", "554 5.7.1 comcast BL000001 <ip> found on one or more DNSBLs, see https://postmaster.comcast.net/smtp-error-codes.php#BL000001"),
    Reply("dkim", None, 550, "5.7.20", "550 5.7.20 No passing DKIM signature found"),
    Reply("dkim", "gmail", 550, "5.7.30", "550-5.7.30 Your email has been blocked because DKIM authentication didn't pass for this message. Gmail requires all bulk email senders to authenticate their email with DKIM. {id} - gsmtp"),
    Reply("dkim", "microsoft", 550, "5.7.515", "550 5.7.515 Access denied, sending domain doesn't meet the required authentication level. The sender's domain in the 5322.From address doesn't meet the authentication requirements defined for the sender. [{id}.prod.protection.outlook.com]"),
    Reply("dmarc", None, 550, "5.7.1", "550 5.7.1 Email rejected per DMARC policy"),
    Reply("dmarc", "gmail", 550, "5.7.26", "550-5.7.26 Unauthenticated email is not accepted due to domain's DMARC policy. Please contact the administrator of the domain if this was a legitimate mail. To learn about the DMARC initiative, go to https://support.google.com/mail/?p=DmarcRejection {id} - gsmtp"),
    Reply("dmarc", "microsoft", 550, "5.7.509", "550 5.7.509 Access denied, sending domain does not pass DMARC verification and has a DMARC policy of reject. [{id}.prod.protection.outlook.com]"),
    Reply("dmarc", "yahoo", 554, "5.7.9", "554 5.7.9 Message not accepted for policy reasons. See https://postmaster.yahooinc.com/error-codes [DMARC]"),
    Reply("dmarc", "comcast", 550, "5.7.1", "550 5.7.1 comcast DM000001 Message rejected: DMARC policy; https://postmaster.comcast.net/smtp-error-codes.php#DM000001"),
)  # fmt: skip
"""Everything that any simulated server says."""


def choose(draws: Draws, situation: Ints, provider: Ints, numbers: Numbers) -> Ints:
    """For each (index into SITUATIONS, index into PROVIDERS), an index into REPLIES."""
    starts, counts, order = _by_situation()
    chosen = draws.below("reply", numbers, counts[situation, provider])
    replies: Ints = order[starts[situation, provider] + chosen]
    return replies


def texts(replies: Ints, ip: pl.Series, bits: Numbers) -> pl.Series:
    """What was said: each reply's words with its session's id and the sending address put in."""
    spoken = pl.Series([reply.text for reply in REPLIES])
    frame = pl.DataFrame({"reply": replies, "ip": ip, "id": hex_texts(bits)}).with_row_index("row")
    said = []
    for (which,), rows in frame.group_by("reply", maintain_order=True):
        text = spoken[int(str(which))]
        pieces: list[pl.Expr] = []
        for i, around in enumerate(text.split("{id}")):
            if i:
                pieces.append(pl.col("id"))
            for j, plain in enumerate(around.split("<ip>")):
                if j:
                    pieces.append(pl.col("ip"))
                pieces.append(pl.lit(plain))
        said.append(rows.select("row", pl.concat_str(pieces).alias("text")))
    return pl.concat(said).sort("row")["text"] if said else pl.Series(dtype=pl.String)


@cache
def _by_situation() -> tuple[Ints, Ints, Ints]:
    starts = np.zeros((len(SITUATIONS), len(PROVIDERS)), dtype=np.int64)
    counts = np.zeros_like(starts)
    order: list[int] = []
    for s, situation in enumerate(SITUATIONS):
        for p, provider in enumerate(PROVIDERS):
            own = [
                i for i, r in enumerate(REPLIES) if (r.situation, r.provider) == (situation, provider.name)
            ]
            anyones = [i for i, r in enumerate(REPLIES) if (r.situation, r.provider) == (situation, None)]
            starts[s, p], counts[s, p] = len(order), len(own or anyones)
            order += own or anyones
    return starts, counts, np.array(order, dtype=np.int64)
