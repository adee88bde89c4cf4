"""Bounces as mail systems are documented and known to write them, in English."""

from made_bounce import COPY, Made
from made_mails import RETURNED

OF_SYSTEMS = (
    Made(
        "qmail",
        "MAILER-DAEMON@mx.example.net",
        "failure notice",
        "Hi. This is the qmail-send program at mx.example.net.\nI'm afraid I wasn't able to deliver your message to the "
        "following addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n"
        "<user@example.net>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 5.1.1 unknown user\n"
        "Giving up on 192.0.2.7.\n\n--- Below this line is a copy of the message.\n\n" + RETURNED,
        said="unknown user",
        code=550,
        enhanced="5.1.1",
    ),
    Made(
        "qmail without the address on a line of its own",
        "MAILER-DAEMON@yahoo.com",
        "Failure Notice",
        "Hi. This is the qmail-send program at yahoo.com.\nI'm afraid I wasn't able to deliver your message.\n\n"
        "192.0.2.89 failed after I sent the message.\nRemote host said: 554 delivery error: dd This user doesn't have a "
        "yahoo.com account (user@example.net) [-5] - mta123.mail.example\n\n"
        "--- Below this line is a copy of the message.\n\n" + RETURNED,
        said="doesn't have",
        code=554,
    ),
    Made(
        "exim with its field",
        "Mail Delivery System <Mailer-Daemon@mx.example.net>",
        "Mail delivery failed: returning message to sender",
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be "
        "delivered to one or more of its\nrecipients. This is a permanent error. The following address(es) failed:\n\n"
        "  user@example.net\n    SMTP error from remote mail server after RCPT TO:<user@example.net>:\n"
        "    host mx.example.net [192.0.2.9]: 550 5.1.1 No such user here\n" + COPY,
        header={"X-Failed-Recipients": "user@example.net", "Auto-Submitted": "auto-replied"},
        said="No such user here",
        code=550,
        enhanced="5.1.1",
    ),
    Made(
        "exim of two",
        "Mail Delivery System <Mailer-Daemon@mx.example.net>",
        "Mail delivery failed: returning message to sender",
        "A message that you sent could not be delivered to one or more of its\nrecipients. The following address(es) "
        "failed:\n\n  one@example.net\n    mailbox is full: retry timeout exceeded\n  two@example.net\n"
        "    Unrouteable address\n" + COPY,
        recipients=("one@example.net", "two@example.net"),
        header={"X-Failed-Recipients": "one@example.net,\n two@example.net"},
    ),
    Made(
        "exim waits",
        "Mail Delivery System <Mailer-Daemon@mx.example.net>",
        "Warning: message 1abcDE-0001ab-CD delayed 24 hours",
        "This message was created automatically by mail delivery software.\nA message that you sent has not yet been "
        "delivered to one or more of its\nrecipients after more than 24 hours on the queue on mx.example.net.\n\n"
        "The message identifier is:     1abcDE-0001ab-CD\nThe subject of the message is: Our offers\n\n"
        "The address to which the message has not yet been delivered is:\n\n  user@example.net\n"
        "    Delay reason: connection timed out\n\nNo action is required on your part. Delivery attempts will continue "
        "for\nsome time, and this warning may be repeated at intervals.\n",
        action="delayed",
    ),
    Made(
        "sendmail 5",
        "Mail Delivery Subsystem <MAILER-DAEMON@old.example.net>",
        "Returned mail: User unknown",
        "   ----- Transcript of session follows -----\n>>> RCPT To:<user@example.net>\n<<< 550 <user@example.net>... User "
        "unknown\n550 <user@example.net>... User unknown\n\n   ----- Unsent message follows -----\n"
        + RETURNED,
        said="User unknown",
        code=550,
    ),
    Made(
        "sendmail 8 without a DSN, expanded",
        "Mail Delivery Subsystem <MAILER-DAEMON@mx.example.net>",
        "Returned mail: see transcript for details",
        "The original message was received at Sun, 1 Nov 2026 08:59:59 GMT\nfrom news.example.com [192.0.2.4]\n\n"
        "   ----- The following addresses had permanent fatal errors -----\n<u.ser@internal.example.org>\n"
        "    (reason: 550 5.2.1 mailbox disabled)\n    (expanded from: <user@example.net>)\n\n"
        "   ----- Transcript of session follows -----\n... while talking to internal.example.org.:\n>>> DATA\n"
        "<<< 550 5.2.1 mailbox disabled\n",
        said="mailbox disabled",
        enhanced="5.2.1",
    ),
    Made(
        "sendmail waits",
        "Mail Delivery Subsystem <MAILER-DAEMON@mx.example.net>",
        "Warning: could not send message for past 4 hours",
        "    **********************************************\n    **      THIS IS A WARNING MESSAGE ONLY      **\n"
        "    **  YOU DO NOT NEED TO RESEND YOUR MESSAGE  **\n    **********************************************\n\n"
        "   ----- The following addresses had transient non-fatal errors -----\n<user@example.net>\n\n"
        "   ----- Transcript of session follows -----\n<user@example.net>... Deferred: Connection refused by mx.example.net.\n"
        "Warning: message still undelivered after 4 hours\nWill keep trying until message is 5 days old\n",
        action="delayed",
        said="Deferred",
    ),
    Made(
        "postfix in text",
        "MAILER-DAEMON@mx.example.net (Mail Delivery System)",
        "Undelivered Mail Returned to Sender",
        "This is the mail system at host mx.example.net.\n\nI'm sorry to have to inform you that your message could not\n"
        "be delivered to one or more recipients. It's attached below.\n\nFor further assistance, please send mail to "
        "postmaster.\n\n                   The mail system\n\n<user@example.net>: host mx2.example.net[192.0.2.8] said: "
        "452 4.2.2 The email account that you tried to reach is over quota (in reply to RCPT TO command)\n",
        said="over quota",
        code=452,
        enhanced="4.2.2",
    ),
    Made(
        "exchange 5.5",
        "System Administrator <postmaster@example.net>",
        "Undeliverable: Our offers",
        "Your message\n\n  To:      somebody@lists.example.com\n  Subject: Our offers\n  Sent:    Sun, 1 Nov 2026 09:00:00\n\n"
        "did not reach the following recipient(s):\n\nuser@example.net on Sun, 1 Nov 2026 09:00:01\n    The recipient name "
        "is not recognized\n\tThe MTS-ID of the original message is: c=us;a= ;p=example;l=MAIL0110\n"
        "    MSEXCH:IMS:EXAMPLE:SITE:MAIL 0 (000C05A6) Unknown Recipient\n",
        said="not recognized",
    ),
    Made(
        "domino",
        "Postmaster@example.net",
        "DELIVERY FAILURE: User user (user@example.net) not listed in Domino Directory",
        "Your message\n\n  Subject: Our offers\n\nwas not delivered to:\n\n  user@example.net\n\nbecause:\n\n  User user "
        "(user@example.net) not listed in Domino Directory\n",
        said="not listed",
    ),
    Made(
        "novell groupwise",
        "Mailer-Daemon@example.net",
        "Message status - undeliverable",
        "The message that you sent was undeliverable to the following:\n\tuser@example.net (mailbox is full)\n\n"
        "Possibly truncated original message follows:\n\n" + RETURNED,
        said="full",
    ),
    Made(
        "gmx",
        "MAILER-DAEMON@mx.gmx.example",
        "Mail delivery failed: returning message to sender",
        "This message was created automatically by mail delivery software.\n\nA message that you sent could not be delivered "
        "to one or more of\nits recipients. This is a permanent error. The following address\nfailed:\n\n"
        '"user@example.net":\nSMTP error from remote server after RCPT command:\nhost: mx.example.net\n5.1.1 '
        "<user@example.net>... User Unknown\n\n\n--- The header of the original message is following. ---\n\n"
        + RETURNED,
        said="User Unknown",
        enhanced="5.1.1",
    ),
    Made(
        "kundenserver",
        '"Mail Delivery System" <mailer-daemon@kundenserver.example>',
        "Mail delivery failed: returning message to sender",
        "A message that you sent could not be delivered to one or more of\nits recipients. This is a permanent error.\n\n"
        "The following address failed:\n\nuser@example.net\n\nFor the following reason:\n\nMail size limit exceeded. For "
        "explanation visit\nhttp://postmaster.example.com/en/error-messages?ip=1\n\n"
        "--- The header of the original message is following. ---\n\n" + RETURNED,
        said="size limit",
    ),
    Made(
        "aol names no domain",
        '"Mail Delivery Subsystem" <MAILER-DAEMON@aol.com>',
        "Mail Delivery Problem",
        "Your mail to the following recipients could not be delivered because they are not accepting mail from "
        "news@news.example.com:\n\tscreenname\n",
        recipients=("screenname@aol.com",),
        said="not accepting mail",
    ),
    Made(
        "mdaemon",
        "MDaemon at example.net <MDaemon@example.net>",
        "Permanent Delivery Failure",
        "MDaemon has detected a permanent delivery failure.\n\nThe following recipient address was rejected:\n\n"
        "    user@example.net\n\n--- Session Transcript ---\n 550 <user@example.net>, Recipient unknown\n"
        "--- End Transcript ---\n",
        said="Recipient unknown",
    ),
    Made(
        "imail",
        '"Postmaster" <postmaster@mail.example.net>',
        "Undeliverable Mail",
        "Unknown user: user@example.net\n\nRCPT TO generated following response:\n553 5.3.0 <user@example.net>... "
        "Addressee unknown, relay=[192.0.2.3]\n\nOriginal message follows.\n\n" + RETURNED,
        said="Unknown user",
    ),
    Made(
        "compuserve",
        "CompuServe Postmaster <postmaster@example.org>",
        "Undeliverable message",
        "? EMDNFS - Receiver not found: user@example.net\n\nYour message could not be delivered for the above reason.\n\n"
        "--- Returned message ---\n\n" + RETURNED,
        said="not found",
    ),
    Made(
        "courier in text",
        '"Courier mail server at mx.example.net" <MAILER-DAEMON@mx.example.net>',
        "NOTICE: mail delivery status.",
        "This is a delivery status notification from mx.example.net,\nrunning the Courier mail server, version 1.0.\n\n"
        "                           UNDELIVERABLE MAIL\n\nYour message to the following recipients cannot be delivered:\n\n"
        "<user@example.net>:\n    mx2.example.net [192.0.2.2]:\n<<< 550 User unknown.\n\n"
        "If your message was also sent to additional recipients, their delivery\nstatus is not included in this report.\n",
        said="User unknown",
        code=550,
    ),
    Made(
        "mimecast holds nothing back",
        "Mimecast <postmaster@example.org>",
        "[Postmaster] Email Delivery Failure",
        "This is a delivery failure notification message indicating that\nan email you addressed to email address :\n"
        "-- user@example.net\n\ncould not be delivered. The problem appears to be :\n-- Recipient email address is possibly "
        "incorrect\n\nAdditional information follows :\n-- 5.4.1 Recipient address rejected: Access denied.\n",
        enhanced="5.4.1",
        said="possibly incorrect",
    ),
    Made(
        "mailmarshal",
        "postmaster@gw.example.net",
        'Undeliverable Mail: "Our offers"',
        "Your message:\n   From:    news@news.example.com\n   Subject: Our offers\n\nCould not be delivered because of\n\n"
        "550 5.1.1 User unknown\n\nThe following recipients were affected: \n    user@example.net\n\n\n"
        "Additional Information\n======================\nOriginal Sender:    <news@news.example.com>\n",
        said="User unknown",
        code=550,
    ),
    Made(
        "a phone network answers",
        "post_master@sms.example.net",
        "Re:Our offers",
        "Error: Invalid user address\n\nError message below:\n550 - Requested action not taken: no such user here\n\n"
        "Message details:\n  Subject: Our offers\n  Sent date: Sun Nov 01 09:00:00 GMT 2026\n"
        "  MAIL FROM: b-17@bounce.example.com\n  RCPT TO: 5550100@sms.example.net\n  From: news@news.example.com\n",
        recipients=("5550100@sms.example.net",),
        header={"In-Reply-To": "<m1@news.example.com>", "Return-Path": "<post_master@sms.example.net>"},
        said="no such user",
        code=550,
    ),
    Made(
        "mailenable",
        "MailEnable Postmaster <postmaster@example.net>",
        "Message Delivery Failure",
        "MailEnable: Message could not be delivered to some recipients.\nThe following recipient(s) could not be reached:\n\n"
        "        Recipient: [SMTP:user@example.net]\n        Reason: Remote SMTP Server Returned: 550 5.7.1 Relaying denied\n",
        said="Relaying denied",
        code=550,
        enhanced="5.7.1",
    ),
    Made(
        "hmailserver",
        "mailer-daemon@example.net",
        "Message undeliverable: Our offers",
        "Your message did not reach some or all of the intended recipients.\n\n   Sent: Sun, 1 Nov 2026 09:00:00 +0000\n"
        "   Subject: Our offers\n\nThe following recipient(s) could not be reached:\n\nuser@example.net\n"
        "   Error Type: SMTP\n   Remote server (192.0.2.4) issued an error.\n   hMailServer sent: RCPT TO:<user@example.net>\n"
        "   Remote server replied: 550 5.1.1 User unknown\n\nhMailServer\n",
        said="User unknown",
        code=550,
        enhanced="5.1.1",
    ),
    Made(
        "x.400",
        "System Administrator <postmaster@example.net>",
        "Undeliverable: Our offers",
        "Your message\n\n  To:      news list\n  Subject: Our offers\n  Sent:    Sun, 1 Nov 2026 09:00\n\ndid not reach the "
        "following recipient(s):\n\nc=US;a= ;p=EXAMPLE;o=Site;dda:SMTP=user@example.net; on Sun, 1 Nov\n2026 09:00:01\n"
        "    The recipient name is not recognized\n",
        said="not recognized",
    ),
    Made(
        "several after one label",
        "MAILER-DAEMON@mx.example.net",
        "Undelivered mail",
        "Message could not be delivered to: user@example.net, other@example.net and third@example.net\nReason: relaying denied\n"
        "For help write to help@example.net.\n",
        recipients=("user@example.net", "other@example.net", "third@example.net"),
        said="relaying denied",
    ),
    Made(
        "a delay that says what a permanent failure would bring",
        "Mail Delivery Subsystem <mailer-daemon@mail.example.net>",
        "Delivery Status Notification (Delay)",
        "There was a temporary problem delivering your message to user@example.net. We will retry for 46 more hours. You'll be "
        "notified if the delivery fails permanently.\n",
        action="delayed",
        said="temporary problem",
    ),
    Made(
        "names nobody, returns the message",
        "MAILER-DAEMON@mx.example.net",
        "Returned mail",
        "Your message could not be delivered: message content rejected as spam.\n" + COPY,
        said="spam",
    ),
    Made(
        "names nobody, returns nothing",
        "MAILER-DAEMON@mx.example.net",
        "Returned mail",
        "Your message could not be delivered because the mail server for the domain does not exist.\n",
        recipients=(),
        said="does not exist",
    ),
    Made(
        "dragonfly",
        "MAILER-DAEMON <>",
        "Mail delivery failed",
        "This is the DragonFly Mail Agent v0.13 at df.example.com.\n\nThere was an error delivering your mail to "
        "<user@example.net>.\n\nmx.example.net [192.0.2.2] did not like our RCPT TO:\n550 5.1.1 <user@example.net>... User "
        "Unknown\n\nMessage headers follow.\n\n" + RETURNED,
        said="User Unknown",
        code=550,
        enhanced="5.1.1",
    ),
    Made(
        "opensmtpd",
        "Mailer Daemon <MAILER-DAEMON@mx.example.net>",
        "Delivery status notification: error",
        "Hi!\n\n    This is the MAILER-DAEMON, please DO NOT REPLY to this email.\n\n    An error has occurred while attempting "
        "to deliver a message for\n    the following list of recipients:\n\nuser@example.net: 552 5.2.2 Mailbox Full\n\n"
        "    Below is a copy of the original message:\n\n" + RETURNED,
        said="Mailbox Full",
        code=552,
        enhanced="5.2.2",
    ),
    Made(
        "messagelabs",
        "MAILER-DAEMON@messagelabs.example",
        "Mail Delivery Failure",
        "This is the mail delivery agent at messagelabs.example.\nI was unable to deliver your message to the following "
        "addresses.\n\nuser@example.net\n\nReason: 550 No such user here\n\nThe message subject was: Our offers\nThe message "
        "date was: Sun, 1 Nov 2026\nThe message identifier was: 04/12-2026\n\n-- Additional text --\n",
        said="No such user here",
        code=550,
    ),
    Made(
        "a server that answers in brackets",
        "The Post Office <postmaster@example.org>",
        "There was an error sending your mail",
        "We had trouble delivering your message. Full details follow:\n\nSubject: 'Our offers'\nDate: 'Sun, 1 Nov 2026'\n\n"
        "1 error(s):\n\nSMTP Server <mx.example.net> rejected recipient <user@example.net> (Error following RCPT command). It "
        "responded as follows: [550 5.1.1 User Unknown]\n",
        said="User Unknown",
        enhanced="5.1.1",
    ),
    Made(
        "barracuda",
        "postmaster@gw.example.net",
        "**Message you sent blocked by our bulk email filter**",
        "Your message to: user@example.net\nwas blocked by our Spam Firewall. The email you sent with the following subject has "
        "NOT BEEN DELIVERED:\n\nSubject: Our offers\n",
        said="blocked",
    ),
    Made(
        "apache james",
        "postmaster@mx.example.net",
        "Error in processing your message",
        "Hi. This is the James mail server at mx.example.net.\nI'm afraid I wasn't able to deliver your message to the following "
        "addresses.\nThis is a permanent error; I've given up. Sorry it didn't work out.\n\n550 5.1.1 <user@example.net>: "
        "Recipient address rejected\n",
        said="rejected",
        code=550,
    ),
    Made(
        "an autoresponder of a mail system that rejects",
        "<>",
        "",
        "You sent mail to user@example.net. That's not a valid user here.\n",
        header={"Auto-Submitted": "auto-replied", "In-Reply-To": "<m1@news.example.com>"},
        said="not a valid user",
    ),
    Made(
        "a system that names nobody but in its subject",
        "postmaster@mx.example.org",
        "Returned mail: Quota exceeded for user user@example.net",
        "The message could not be stored.\n",
    ),
    Made(
        "an address and the one that was mailed",
        "postmaster@mx.example.net",
        "Delivery Notification: Delivery has failed",
        "Your message cannot be delivered to the following recipients:\n\n  Recipient address: u17@ims.example.net\n"
        "  Original address: user@example.net\n  Reason: Illegal host/domain name found\n",
        said="Illegal host",
    ),
    Made(
        "a list of what is attached before the recipients",
        "MAILER-DAEMON@mx.example.net",
        "Delivery report",
        "I am sending you this message to inform you on the delivery status of a\nmessage. Attached is a report in standard "
        "format, as well as the headers of the original\nmessage.\n\n  <user@example.net>  delivery failed; will not try\n",
    ),
    Made(
        "a filter that stopped it",
        '"Content-filter at mx" <postmaster@example.net>',
        "BANNED contents from you",
        "Our content checker found\n    banned name: .exe\n\nto the following recipient:\n-> user@example.net\n\n"
        "Delivery of the email was stopped!\n",
    ),
)
