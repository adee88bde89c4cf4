"""Bounces in other languages, and in character sets of their own or of nobody."""

from made_bounce import Made
from made_mails import RETURNED

IN_LANGUAGES = (
    Made(
        "exchange in html, German",
        "Microsoft Outlook <MicrosoftExchange329e71ec88ae4615bbc36ab6ce41109e@example.net>",
        "Unzustellbar: Unsere Angebote",
        "<html><head><style>p {color: red}</style></head><body><p><b>Fehler bei der Nachrichtenzustellung an folgende "
        'Empf&auml;nger oder Gruppen:</b></p><p><a href="mailto:user@example.net">user@example.net</a><br>Die eingegebene '
        "E-Mail-Adresse konnte nicht gefunden werden.</p><p>Diagnoseinformationen f&uuml;r Administratoren:<br>Generierender "
        "Server: mail.example.net</p><p>user@example.net<br>#550 5.1.1 RESOLVER.ADR.RecipNotFound; not found ##</p></body></html>",
        html=True,
        said="nicht gefunden",
    ),
    Made(
        "exchange, French",
        "Administrateur système <postmaster@example.net>",
        "Non remis : Nos offres",
        "Votre message\n\n  À : user@example.net\n  Objet : Nos offres\n  Envoyé : dim. 1 nov. 2026\n\nn'a pas pu être remis "
        "au(x) destinataire(s) suivant(s) :\n\n  user@example.net\n      Le compte de messagerie n'existe pas à "
        "l'organisation vers laquelle ce message a été envoyé.\n      <mail.example.net #5.1.1>\n",
        said="n'existe pas",
        enhanced="5.1.1",
    ),
    Made(
        "exchange, Spanish",
        "Administrador del sistema <postmaster@example.net>",
        "No se puede entregar: Nuestras ofertas",
        "El mensaje no se entregó a los siguientes destinatarios:\n\n      user@example.net\n"
        "No se encuentra la dirección de correo electrónico. El usuario no existe.\n",
        said="no existe",
    ),
    Made(
        "exchange, Italian",
        "postmaster@example.net",
        "Recapito non riuscito: Le nostre offerte",
        "Impossibile recapitare il messaggio ai seguenti destinatari:\n\nuser@example.net\nL'indirizzo di posta elettronica "
        "immesso non è stato trovato.\n",
        said="non è stato trovato",
    ),
    Made(
        "exchange, Portuguese",
        "postmaster@example.net",
        "Não entregue: Nossas ofertas",
        "Não foi possível entregar a sua mensagem aos seguintes destinatários:\n\nuser@example.net\nA caixa de correio do "
        "destinatário está cheia e não pode aceitar mensagens agora.\n",
        said="cheia",
    ),
    Made(
        "t-online style, German",
        "Mail Delivery System <postmaster@t.example.de>",
        "Mail konnte nicht zugestellt werden",
        "Ihre E-Mail konnte nicht zugestellt werden an:\n\n    user@example.net\n\nGrund: Das Postfach des Empfängers ist "
        "voll.\n",
        said="voll",
    ),
    Made(
        "web.de, German, delayed",
        "Mail Delivery System <mailer-daemon@w.example.de>",
        "Verzögerte Zustellung Ihrer E-Mail",
        "Ihre Nachricht konnte bisher noch nicht zugestellt werden an:\n\n  user@example.net\n\nDer Zustellversuch wird "
        "wiederholt.\n",
        action="delayed",
    ),
    Made(
        "free.fr, French",
        "MAILER-DAEMON@f.example.fr",
        "Echec de la remise de votre message",
        "Bonjour,\n\nVotre message n'a pas pu être délivré à l'adresse suivante :\n\n<user@example.net>:\nUtilisateur inconnu "
        "dans la base locale.\n\n--- Copie du message ---\n\n" + RETURNED,
        said="inconnu",
    ),
    Made(
        "latin-1 French, mislabelled",
        "MAILER-DAEMON@o.example.fr",
        "Message non remis",
        "Votre message n'a pas été remis à user@example.net : la boîte aux lettres du destinataire est pleine.\n",
        charset="latin-1",
        header={"Content-Type": "text/plain; charset=us-ascii"},
        said="pleine",
    ),
    Made(
        "Spanish, old",
        "MAILER-DAEMON@correo.example.ar",
        "failure notice",
        "Su mensaje no pudo ser entregado a los siguientes destinatarios:\n\n<user@example.net>:\nEspacio en casilla de mail "
        "agotado.\n\n--- Mensaje original adjunto.\n",
        said="agotado",
    ),
    Made(
        "uol, Portuguese",
        "MAILER-DAEMON@uol.example.br",
        "Falha na entrega de mensagem",
        "Sua mensagem não pôde ser entregue ao destinatário abaixo:\n\n  user@example.net\n\nMotivo: Usuário inexistente.\n",
        said="inexistente",
    ),
    Made(
        "libero, Italian",
        "postmaster@libero.example.it",
        "Mancata consegna",
        "Il messaggio non è stato consegnato al destinatario user@example.net in quanto la casella di posta è piena.\n",
        said="piena",
    ),
    Made(
        "mail.ru, Russian",
        "mailer-daemon@corp.example.ru",
        "=?UTF-8?B?0JLQsNGI0LUg0YHQvtC+0LHRidC10L3QuNC1INC90LUg0LTQvtGB0YLQsNCy0LvQtdC90L4=?=. Mail failure.",
        "Это письмо создано автоматически сервером, отвечать на него не нужно.\n\nК сожалению, Ваше письмо не может быть "
        "доставлено одному или нескольким получателям:\n\n  user@example.net\n    Пользователь не найден\n",
        said="не найден",
    ),
    Made(
        "koi8, undeclared",
        "MAILER-DAEMON@old.example.ru",
        "Returned mail",
        "Ваше сообщение не может быть доставлено следующим адресатам:\n\nuser@example.net\n\nПочтовый ящик адресата переполнен.\n",
        charset="koi8-r",
        header={"Content-Type": "text/plain"},
        said="переполнен",
    ),
    Made(
        "yandex, cp1251",
        "mailer-daemon@y.example.ru",
        "Недоставленное сообщение",
        "Это письмо отправлено почтовым сервером.\n\nК сожалению, мы вынуждены сообщить Вам о том, что Ваше письмо не может "
        "быть доставлено.\n\n<user@example.net>: host mx.example.net[192.0.2.1] said: 550 no such mailbox\n",
        charset="cp1251",
        said="no such mailbox",
        code=550,
    ),
    Made(
        "ezweb, Japanese",
        "Postmaster@ez.example.jp",
        "Mail System Error - Returned Mail",
        "次のあて先へのメッセージはエラーのため送信できませんでした。\n\n送信先メールアドレスが見つかりませんでした。\nメールアドレスをご確認の上、"
        "再送信してください。\n\nThe user(s) account is disabled.\n\n<user@example.net>\n",
        charset="iso-2022-jp",
        said="disabled",
    ),
    Made(
        "m-filter, Japanese, undeclared Shift_JIS",
        "postmaster@mf.example.jp",
        "failure notice",
        "下記の理由によりこのメールは送信できませんでした。\n\n以下のメールアドレスへの送信に失敗しました。\nuser@example.net\n\n"
        "-------server message\n550 5.1.1 <user@example.net>: Recipient address rejected\n\n-------original message\n"
        + RETURNED,
        charset="shift_jis",
        header={"Content-Type": "text/plain"},
        said="Recipient address rejected",
    ),
    Made(
        "qq, Chinese",
        "PostMaster@qq.example.cn",
        "系统退信/Undelivered Mail",
        "尊敬的用户:\n\n很抱歉您发送的邮件被退回，以下是该邮件的相关信息：\n\n收件人邮箱 user@example.net\n退信原因 收件人邮箱地址不存在，"
        "邮件无法送达。\nhost mx.example.net[192.0.2.6] said: 550 Mailbox not found\n",
        said="不存在",
    ),
    *(
        Made(language, "MAILER-DAEMON@mx.example.net", "", f"{words}\n\nuser@example.net\n", said=said)
        for language, words, said in (
            ("Croatian", "Vaša poruka nije mogla biti isporučena sljedećim primateljima:", "isporučena"),
            ("Serbian", "Ваша порука није могла бити испоручена следећим примаоцима:", "испоручена"),
            ("Slovenian", "Vašega sporočila ni bilo mogoče dostaviti naslednjim prejemnikom:", "dostaviti"),
            ("Lithuanian", "Jūsų laiško nepavyko pristatyti šiems gavėjams:", "pristatyti"),
            ("Latvian", "Jūsu ziņojumu neizdevās piegādāt šādiem adresātiem:", "piegādāt"),
            ("Estonian", "Teie kirja ei õnnestunud järgmistele adressaatidele edastada:", "edastada"),
            ("Catalan", "El vostre missatge no s'ha pogut lliurar als destinataris següents:", "lliurar"),
            ("Persian", "پیام شما به گیرندگان زیر تحویل داده نشد:", "تحویل"),
            ("Hindi", "आपका संदेश निम्न प्राप्तकर्ताओं को वितरित नहीं किया जा सका:", "वितरित"),
        )
    ),
    Made(
        "netease, Chinese, a label right before the address",
        "Postmaster@163.example.cn",
        "系统退信",
        "抱歉，您的邮件被退回来了……\n\n收件人：user@example.net\n退信原因：收件人所在的服务器拒收您的邮件\n联系 kefu@163.example.cn。\n",
        charset="gbk",
        said="拒收",
    ),
    Made(
        "Chinese without a blank around the address",
        "MAILER-DAEMON@mail.example.cn",
        "投递失败",
        "您发往user@example.net的邮件被退回：用户不存在。\n",
        said="用户不存在",
    ),
    Made(
        "Japanese without a blank after the address",
        "MAILER-DAEMON@mail.example.jp",
        "配信エラー",
        "user@example.netへの配信に失敗しました。\n",
        said="失敗",
    ),
    Made(
        "German, transmission failed",
        "mailer-daemon@online.example.de",
        "Benachrichtigung über den Übermittlungsstatus (Fehlgeschlagen)",
        "Dies ist eine automatisch erstellte Benachrichtigung.\n\nÜbermittlung an folgende Empfänger fehlgeschlagen:\n\n"
        "      user@example.net\n",
        said="fehlgeschlagen",
    ),
    Made(
        "sina, gb2312",
        "MAILER-DAEMON@sina.example.cn",
        "邮件退信",
        "邮件无法发送到您指定的地址中。\n\n<user@example.net>:\n用户不存在\n\n--- 附件中的内容是原信件的一份拷贝\n",
        charset="gb2312",
        said="用户不存在",
    ),
    Made(
        "big5, undeclared",
        "MAILER-DAEMON@mail.example.tw",
        "Delivery failure",
        "您的郵件無法傳送到以下的收件人地址：\n\nuser@example.net\n\n原因：收件人不存在，信箱無效\n",
        charset="big5",
        header={"Content-Type": "text/plain"},
        said="不存在",
    ),
    Made(
        "naver, Korean",
        "mailer-daemon@naver.example.kr",
        "메일 전송 실패 안내",
        "메일이 전송되지 못하였습니다.\n\n받는 사람: user@example.net\n실패 사유: 존재하지 않는 메일 주소입니다. (550 5.1.1)\n",
        said="존재하지",
    ),
    Made(
        "Polish",
        "MAILER-DAEMON@poczta.example.pl",
        "Nie dostarczono wiadomości",
        "Twoja wiadomość nie mogła zostać dostarczona do adresata:\n\n<user@example.net>\nUżytkownik nie istnieje.\n",
        said="nie istnieje",
    ),
    Made(
        "Dutch",
        "postmaster@example.nl",
        "Onbestelbaar: Onze aanbiedingen",
        "Uw bericht kon niet worden bezorgd bij de volgende ontvangers:\n\nuser@example.net\nHet postvak van de ontvanger is "
        "vol.\n",
        said="vol",
    ),
    Made(
        "utf-16",
        "postmaster@example.net",
        "Undeliverable: Our offers",
        "Delivery has failed to these recipients:\n\nuser@example.net\nThe e-mail address you entered couldn't be found.\n",
        charset="utf-16",
        said="couldn't be found",
    ),
    Made(
        "coremail, Chinese",
        "Postmaster@163.example.cn",
        "系统退信",
        "抱歉，您的邮件被退回来了……\n\n原邮件信息：\n时 间： 2026-11-01 09:00:00\n主 题： Our offers\n收件人： user@example.net\n\n"
        "退信原因： 收件人地址不存在。\n英文说明： 550 User not found\n",
        header={"Return-Path": "<>"},
        said="不存在",
        code=550,
    ),
    Made(
        "lotus, French",
        "Postmaster@example.net",
        "ECHEC DE DISTRIBUTION : L'utilisateur user n'est pas listé",
        "Votre message\n\n  Objet : Nos offres\n\nn'a pas été remis à :\n\n  user@example.net\n\ncar :\n\n  L'utilisateur "
        "user (user@example.net) n'est pas répertorié dans le carnet d'adresses\n",
        said="répertorié",
    ),
    Made(
        "Hebrew",
        "postmaster@example.il",
        "לא ניתן למסור: הצעות",
        "לא ניתן היה למסור את ההודעה לנמענים הבאים:\n\nuser@example.net\n\nתיבת הדואר אינה קיימת.\n",
    ),
    Made(
        "Czech",
        "MAILER-DAEMON@example.cz",
        "Nedoručitelná zpráva",
        "Vaše zpráva nemohla být doručena:\n\n<user@example.net>\nSchránka neexistuje.\n",
    ),
    Made(
        "Finnish, whose sentence the recipients divide",
        "Microsoft Outlook <postmaster@example.fi>",
        "Toimittamaton: Tarjous",
        "Toimitus seuraaville vastaanottajille epäonnistui:\n\nuser@example.net\nOsoitetta ei löytynyt.\n",
    ),
    Made(
        "Romanian, of several",
        "Microsoft Outlook <postmaster@example.ro>",
        "Nelivrabil: Oferta",
        "Livrarea nu a reușit către acești destinatari:\n\nuser@example.net\nAdresa nu a putut fi găsită.\n",
    ),
    Made(
        "Swedish",
        "Microsoft Outlook <postmaster@example.net>",
        "Erbjudande",
        "Det gick inte att leverera meddelandet till följande mottagare eller grupper:\n\nuser@example.net\nE-postadressen du angav kunde inte hittas.\n",
        said="hittas",
    ),
    Made(
        "Danish",
        "Microsoft Outlook <postmaster@example.net>",
        "Tilbud",
        "Levering til disse modtagere eller grupper mislykkedes:\n\nuser@example.net\nModtageren blev ikke fundet.\n",
        said="fundet",
    ),
    Made(
        "Norwegian",
        "Microsoft Outlook <postmaster@example.net>",
        "Tilbud",
        "Levering til følgende mottakere eller grupper mislyktes:\n\nuser@example.net\nMottakeren finnes ikke.\n",
        said="finnes ikke",
    ),
    Made(
        "Slovak",
        "Microsoft Outlook <postmaster@example.net>",
        "Ponuka",
        "Doručenie nasledujúcim príjemcom zlyhalo:\n\nuser@example.net\n",
    ),
    Made(
        "Thai of a failure",
        "Microsoft Outlook <postmaster@example.net>",
        "ข้อเสนอ",
        "การส่งไปยังผู้รับหรือกลุ่มเหล่านี้ล้มเหลว:\n\nuser@example.net\nไม่พบที่อยู่อีเมลที่คุณป้อน\n",
        said="ไม่พบ",
    ),
    Made(
        "Dutch, delayed",
        "Microsoft Outlook <postmaster@example.net>",
        "Vertraagd: aanbod",
        "De bezorging bij deze ontvangers is vertraagd:\n\nuser@example.net\n",
        action="delayed",
    ),
    Made(
        "Swedish, delayed",
        "Microsoft Outlook <postmaster@example.net>",
        "Erbjudande",
        "Leveransen till följande mottagare är försenad:\n\nuser@example.net\n",
        action="delayed",
    ),
    Made(
        "Polish, delayed",
        "Microsoft Outlook <postmaster@example.net>",
        "Oferta",
        "Dostarczenie wiadomości do tych adresatów jest opóźnione:\n\nuser@example.net\n",
        action="delayed",
    ),
    Made(
        "Bulgarian",
        "Microsoft Outlook <postmaster@example.bg>",
        "Недоставено: Оферта",
        "Доставката до следните получатели е неуспешна:\n\nuser@example.net\nАдресът не беше намерен.\n",
    ),
)
