"""What mail systems write when they fail, wait, or answer by themselves, in the languages they write it in.

Patterns are RE2's (linear in the text whatever it is), sought in any letter case. They tell that a mail is about a
failure; what kind of failure is the classification's business.
"""

from functools import lru_cache
from typing import Any

FAILURES = (
    # English
    r"(?:could|can|did|was|were|has|have|is|are|been|may)(?: ?n[o'’]t|not)(?: be| been| able to| yet"
    r"| successfully){0,3} ?"
    r"(?:deliver|reach|accepted|processed|sent to|relayed|collected|receive)",
    r"(?:un|wasn't |not |in)able to (?:deliver|send|relay|route|reach|process your (?:mail|message)"
    r"|establish an smtp)",
    r"undeliver(?:able|ed)",
    r"non-?deliver(?:y|able)",
    r"not[ -]delivered",
    r"deliver[yi](?:ng)?[^\n]{0,80}(?:fail|abort|impossible|not possible|error|problem|unsuccessful|stopped|prevented"
    r"|rejected)",
    r"fail(?:ed|ure)[^\n]{0,20}(?:to )?(?:deliver|recipient|mail\b|address|notice|transmit)",
    r"(?:mail|message|e-?mail)[^\n]{0,60}(?:fail(?:ed|ure)|rejected|returned to|bounced|refused"
    r"|blocked|cannot be|could not be)",
    r"(?:rejected|refused|blocked|returned|bounced|discarded)[^\n]{0,30}(?:mail|message|e-?mail)\b",
    r"permanent(?:ly)?(?: fatal)? (?:error|fail|reject)",
    r"fatal error",
    r"returned mail",
    r"(?:user|recipient|mailbox|address|account|userid|username|name|host|domain|alias|party)(?: name"
    r"| id| address|\(s\)|\(es\)|e?s)?"
    r"(?: is| was| has been| are| does| do| did|:)?(?: an?| the)?(?: currently| no longer"
    r"| temporarily)? ?[^\n]{0,8}"
    r"(?:unknown|not (?:found|exist|known|recognized|recognised|valid|listed|available|accept|active"
    r"|unique|local|allowed)|invalid|unavailable|full|disabled|suspended"
    r"|inactive|rejected|over ?quota|exceeded|deactivated|closed|terminated|discontinued|expired"
    r"|locked|no longer)",
    r"not an? (?:valid|known|existing|active|local) (?:user|recipient|mailbox|address|account|e-?mail)",
    r"no valid recipients?",
    r"(?:unknown|invalid|no such|bad|illegal|nonexistent|non-existent|incorrect|wrong|unrecognized"
    r"|unresolvable)[^\n]{0,12} "
    r"(?:user|recipient|mailbox|address|account|domain|host|person|local|destination|delivery|userid"
    r"|name)",
    r"does ?n[o']t exist",
    r"over[ -]?(?:disk )?quota",
    r"quota[^\n]{0,20}exceeded",
    r"exceed[^\n]{0,30}(?:quota|size|limit|attempts)",
    r"(?:mailbox|inbox)[^\n]{0,20}full",
    r"no mailbox",
    r"not accepting (?:mail|messages|e-?mail)",
    r"unrout(?:e)?able",
    r"relay(?:ing)?[^\n]{0,20}(?:denied|not permitted|prohibited)",
    r"doesn't have an? [^\n]{0,30}account",
    r"no(?:t)?[^\n]{0,5} match(?:es)?",
    r"delivery attempts",
    r"too many hops",
    r"retry time(?:out)? (?:exceeded|not reached)",
    r"in the queue too long",
    r"giv(?:e|en|ing) up",
    r"recipients? did not receive",
    r"(?:smtp|remote|server)[^\n]{0,40}(?:error|said|responded|replied|returned)[^\n]{0,40}\b5\d\d\b",
    r"\b5[05][0-9][ -]#?5\.\d{1,2}\.\d{1,3}",
    r"esmtp? error",
    r"host (?:unknown|not found)",
    r"name server",
    r"(?:error|trouble|problem|difficult)[^\n]{0,20}(?:deliver|sending)",
    r"addressed? to [^\n]{1,80} (?:fail|was rejected)",
    r"(?:connection|operation|timeout|handshake|lookup)[^\n]{0,20}(?:timed out|refused|reset|failed"
    r"|expired)|(?:temporarily|been) (?:suspended|deferred)|(?:recipient|user|host|domain|records?"
    r"|computer|address)[^\n]{0,40}(?:could not be|not be|wasn't) found|\bdeferred\b|timed? ?out",
    # German
    r"nicht (?:[a-zäöüß]+ ){0,3}(?:zugestellt|zustell|ausgeliefert|übermittelt|überbracht|gesendet"
    r"|versandt|erreich)",
    r"unzustellbar",
    r"zustell[^\n]{0,60}(?:fehl|gescheitert|nicht möglich|unmöglich|verweigert)",
    r"fehler bei der (?:zustellung|übermittlung|auslieferung)",
    r"(?:übermittlung|auslieferung|versand)[^\n]{0,60}(?:fehlgeschlagen|gescheitert)",
    r"(?:empf(?:ä|ae)nger|adresse|postfach|benutzer|mailbox|konto)[^\n]{0,60}(?:unbekannt"
    r"|nicht (?:gefunden|bekannt|vorhanden|existier|erreichbar|verfügbar|mehr)"
    r"|existiert|voll|ungültig|gesperrt|abgelehnt|überschritten|deaktiviert)",
    r"unbekannte[rn]? (?:empf|benutzer|adress)",
    # French
    r"n['’]\s?(?:a|ont|avons|est|ai)(?: pas| pu)(?: pu)?(?: [êe]tre| été)? ?(?:[êe]tre )?(?:remis"
    r"|envoy|d[ée]livr|distribu|livr|achemin|transmis|re[çc]u|remettre)",
    r"impossible de (?:remettre|d[ée]livrer|livrer|transmettre|distribuer|envoyer|joindre)",
    r"[ée]chec[^\n]{0,30}(?:remise|livraison|distribution|transmission|envoi)",
    r"non[- ](?:remis|d[ée]livr|distribu|remise)",
    r"(?:destinataire|adresse|utilisateur|compte)s?[^\n]{0,50}(?:inconnu|introuvable|inexistant"
    r"|n['’]existe|invalide|refus[ée]|d[ée]sactiv)",
    r"bo[îi]te[^\n]{0,40}(?:pleine|satur|inexistante|d[ée]sactiv)",
    r"ne peut (?:pas )?[êe]tre (?:remis|d[ée]livr|distribu|envoy)",
    # Spanish
    r"no (?:se )?(?:pudo|ha podido|pudimos|hemos podido|puede|podido|ha sido|fue|pudieron|es"
    r"|ha)(?: posible)?(?: ser)? ?(?:entreg|envi|remit|lleg|recib)",
    r"(?:imposible|no se logr[óo]|no fue posible|no ha sido posible|no es posible) (?:la )?(?:entrega"
    r"|enviar|env[íi]o)",
    r"no entregad",
    r"(?:error|fallo|falla|problema)[^\n]{0,20}(?:entrega|env[íi]o)",
    r"entrega[^\n]{0,40}(?:fallid|fall[óo]|ha fallado|error|fracas)",
    r"(?:destinatario|usuario|direcci[óo]n|cuenta|casilla|buz[óo]n)s?[^\n]{0,50}(?:desconocid"
    r"|inexistente|no existe|no encontrad|no se (?:ha )?encontr|inv[áa]lid|llen[oa]|agotado|expirad"
    r"|suspendid|bloquead|no disponible|rechazad|excedid)",
    r"problemas? (?:ao|na|no|en la|en el|al|nella)[^\n]{0,20}(?:entreg|envi|env[íi]o|consegn)",
    # Portuguese
    r"n(?:ã|a)o (?:p[ôo]de|foi poss[íi]vel|foi|pode|ser[áa]|conseguimos)(?: ser)? ?(?:entreg|envi)",
    r"falha[^\n]{0,20}(?:entrega|envio)",
    r"n(?:ã|a)o (?:foi )?entregue",
    r"(?:destinat[áa]rio|usu[áa]rio|endere[çc]o|conta)[^\n]{0,40}(?:desconhecid|inv[áa]lid"
    r"|inexistente|n[ãa]o (?:existe|encontrad)|rejeitad)",
    r"caixa[^\n]{0,40}(?:cheia|lotada|excedid)",
    # Italian
    r"non (?:è|e'|&egrave;|sono|ha|può|&egrave)(?: stat[oaie]| possibile| potuto"
    r"| essere)* ?(?:[a-z]+ )?(?:consegn|recapit|inoltr|inviat)",
    r"impossibile (?:recapitare|consegnare|inviare|inoltrare)",
    r"mancat[ao] (?:consegna|recapito)",
    r"non (?:recapit|consegn)",
    r"(?:destinatario|utente|indirizzo|casella|account)[^\n]{0,50}(?:sconosciut|inesistente"
    r"|non (?:esiste|trovat|valid|disponibile)|pien[ao]|rifiutat)",
    r"errore (?:di|nella|durante la) (?:consegna|recapito)",
    # Dutch, Swedish, Danish, Norwegian, Finnish
    r"(?:kon|kan)(?:den)? niet (?:[a-z]+ ){0,3}(?:bezorg|afgelever|verzond|worden bezorgd)",
    r"niet bezorgd",
    r"onbestelbaar",
    r"(?:kunde|kan|gick|går) inte (?:att )?(?:leverera|skicka|nå)",
    r"lever(?:ans|ing)\w{0,3}[^\n]{0,80}(?:misslyckades|mislykke|mislyktes|feilet)",
    r"(?:postadressen|adressen|mottagaren|modtageren|mottakeren|brevlådan|postkassen|postboksen)[^\n]{0,40}(?:finns inte|inte hittas"
    r"|hittades inte|ikke fundet|ikke funnet|findes ikke|finnes ikke|är full|er fuld)",
    r"olevererbart|oleverera",
    r"(?:kunne|kan|blev|ble) ikke (?:levere|sende|levert)",
    r"uleverbar|ikke[ -]levert|ikke[ -]leveret",
    r"ei (?:voitu|voida|onnistut\w*) (?:toimittaa|välittää)",
    r"toimitus[^\n]{0,80}epäonnistui|toimittamaton|(?:osoitetta|vastaanottajaa|postilaatikkoa) ei (?:löyty|ole)",
    # Polish, Czech, Hungarian, Turkish, Romanian, Greek
    r"nie (?:mog[łl]a?|m[óo]g[łl]|mo[żz]na|zosta[łl]a?|uda[łl]o)[^\n]{0,40}(?:dostarcz|dor[ęe]cz"
    r"|wys[łl])",
    r"niedostarcz|niedor[ęe]cz",
    r"(?:odbiorca|u[żz]ytkownik|adres|konto|skrzynka)[^\n]{0,60}(?:nie istnieje|nieznany"
    r"|przepe[łl]nion|zablokowan|nie zosta)",
    r"nemohl[ao]? b[ýy]t doru[čc]|nelze doru[čc]it|nedoru[čc]|nebylo mo[žz]n[ée] doru[čc]it"
    r"|nebyla? doru[čc]en|(?:doru[čc]en|doručit|doručiť)[^\n]{0,80}(?:nezda[řr]il|zlyhal)|nepoda[řr]il[^\n]{0,60}doru[čc]"
    r"|nebol[oa]? (?:možné )?doruč",
    r"k[ée]zbes[íi]thetetlen|nem (?:siker[üu]lt )?k[ée]zbes[íi]t",
    r"teslim edil(?:e)?m(?:e|i)|iletilemedi|ula[şs]t[ıi]r[ıi]lamad",
    r"nu a(?:u)? (?:putut fi|fost) (?:livrat|trimis|g[ăa]sit|remis)|livrarea[^\n]{0,60}(?:nu a reu[șşs]it|e[șşs]uat)|nelivra[bt]",
    r"δεν (?:παραδόθηκε|ήταν δυνατή|μπορεί)|παράδοση[^\n]{0,80}απέτυχε",
    # Croatian, Serbian, Slovenian, Lithuanian, Latvian, Estonian, Catalan, Galician
    r"nije (?:mog(?:la|ao) )?(?:biti )?(?:isporu[čc]en|dostavljen)|није (?:мог(?:ла|ао) )?(?:бити )?(?:испоручен"
    r"|достављен)|ni (?:bil[oa]? )?(?:mogo[čc]e )?dostav",
    r"nepavyko (?:pristatyti|i[šs]si[ųu]sti)|nepristatyt|(?:neizdev[āa]s|nevar[ēe]ja|netika) pieg[āa]d"
    r"|ei (?:õnnestunud|saanud)[^\n]{0,60}(?:edasta|toimeta)",
    r"no s['’]ha pogut (?:lliurar|enviar)|no lliurat|non se puido (?:entregar|enviar)",
    # Hebrew, Arabic, Persian, Hindi, Thai, Vietnamese, Indonesian, Malay
    r"לא (?:ניתן|נמסר|הצליח)[^\n]{0,30}|(?:تعذر|لم يتم|فشل)[^\n]{0,10}(?:تسليم|إرسال|توصيل)",
    r"(?:تحویل(?: داده)?|ارسال) نشد|(?:वितरित|डिलीवर|भेजा)[^\n]{0,12}नहीं",
    r"ไม่สามารถ(?:ส่ง|นำส่ง)|ส่งไม่(?:สำเร็จ|ได้)|(?:การ|นำ)ส่ง[^\n]{0,80}ล้มเหลว|ไม่พบ(?:ที่อยู่|ผู้รับ)",
    r"không (?:thể )?(?:gửi|chuyển|phát)[^\n]{0,20}|không tồn tại|gửi thất bại",
    r"tidak (?:dapat|bisa|berhasil) (?:di)?(?:kirim|sampaikan|terkirim|hantar)|gagal (?:di)?kirim"
    r"|pengiriman gagal",
    # Russian, Ukrainian
    r"не (?:может|могло|мог|удалось|удается|удаётся|был[оаи]?|возможно"
    r"|получилось)[^\n]{0,40}(?:достав|отправ|переда)",
    r"не ?достав(?:лен|ить)",
    r"невозможно (?:достав|отправ)",
    r"ошибк[аи] (?:при )?(?:достав|отправ)",
    r"сбой доставки|доставка[^\n]{0,30}(?:не удалась|невозможна)",
    r"(?:пользователь|адресат|получател[ья]|ящик|адрес)[^\n]{0,40}(?:не найден|не существует|неизвест"
    r"|переполнен|заблокирован|отключен|отклон[её]н|недоступен)",
    r"нет такого (?:пользователя|адреса|ящика)|такого (?:пользователя|адреса|ящика) нет",
    r"не (?:вдалося|може)[^\n]{0,30}достав|не доставлено",
    # Bulgarian, Macedonian
    r"доставка(?:та)?[^\n]{0,60}неуспешн|не (?:беше|бе|може(?:ше)? да бъде|можеше да се) (?:достав|намерен|испорач)"
    r"|недоставен|неуспешна доставка",
    # Japanese
    r"(?:配信|配達|送信|送達|配送|お届け|転送)[^\n]{0,12}(?:でき|出来|されません|されなかった|に失敗|失敗|不能|エラー|不可)",
    r"届(?:き|け)[^\n]{0,6}(?:ません|られ|なかった)",
    r"(?:宛先|送信先|受信者|ユーザー?|アドレス|アカウント)[^\n]{0,20}(?:不明|見つか|存在しま|誤り|間違|無効|存在しない)",
    r"エラーメール|メールエラー|エラー通知|メールボックス[^\n]{0,10}(?:一杯|いっぱい|超過|容量)",
    # Chinese
    r"[无無]法(?:被)?(?:成功)?(?:发送|投递|送达|传送|递送|寄|傳送|發送|投遞|送達|傳遞|遞送|到达|到達|找到)",
    r"(?:投递|发送|发信|遞送|投遞|傳送|傳遞|传递)[^\n]{0,6}(?:失败|失敗)",
    r"退信|退回|被拒[绝絕收]",
    r"未(?:能)?(?:成功)?(?:送达|投递|发送|送達|傳送)",
    r"(?:收件人|用户|用戶|地址|邮箱|信箱|郵箱|账号|帐号)[^\n]{0,16}(?:不存在|无效|無效|已满|已滿|拒|错误|錯誤|停用|不可用)",
    # Korean
    r"(?:전송|배달|발송|전달)[^\n]{0,8}(?:되지|하지 못|실패|할 수 없|불가)",
    r"반송|존재하지 않는|(?:수신자|사용자)[^\n]{0,12}(?:없|찾을 수)",
)

DELAYS = (
    r"not yet (?:been )?(?:deliver|sent)",
    r"has not(?: yet)? been delivered to[^\n]{0,60}(?:recipients? )?after more than",
    r"deliver[^\n]{0,40}(?:delay|defer)",
    r"delay[^\n]{0,25}(?:deliver|mail|message|recipient|\d+ ?h)",
    r"(?:message|mail)[^\n]{0,60}(?:delayed|deferred)",
    r"will (?:be retried|retry|continue|keep trying|be (?:re)?attempted|try again|attempt)",
    r"(?:still|continue to|keep) (?:try|attempt|be(?:ing)? (?:tried|attempted))",
    r"warning: (?:message|could not send|mail|delivery)",
    r"do(?: not|n't) need to re-?(?:send|submit)",
    r"temporarily (?:undeliverable|unable)",
    r"this is (?:only )?a warning",
    r"transient non-fatal",
    r"warning (?:message )?only",
    r"temporary (?:delivery )?(?:failure|problem|error)[^\n]{0,60}(?:retr|again)",
    r"no action is required",
    r"(?:further|more) attempts? (?:will|to)",
    r"(?:noch|bisher|bislang) nicht[^\n]{0,30}zu(?:ge)?stell",
    r"verzöger",
    r"n['’]a pas encore|retard[ée]|sera (?:de nouveau|retent)",
    r"todav[íi]a no|aún no|retras(?:ad|o)|demorad",
    r"ainda n[ãa]o|atras(?:ad|o)",
    r"non ancora|ritard(?:o|at)",
    r"ещ[её] не доставл|задерж(?:ан|к)|отложен",
    r"遅(?:延|れて)|まだ(?:配信|届)|再送(?:を|いたし|し続|中|します)",
    r"延[迟遲](?:发送|投递|投遞|傳送)?|[尚还還]未(?:送达|投递|送達)|继续尝试|重试",
    r"지연",
    r"(?:is|zijn|wordt|werd) vertraagd|vertraging|försena[dt]|fördröj[dt]|forsink(?:et|else)",
    r"opó[źz]nion|zpo(?:žd|ž[ďd])ěn|odložen|oneskoren|gecik(?:ti|me)|késleltet|întârziat|viivästy",
)

PERMANENT = (
    r"permanent",
    r"giv(?:en|ing) up",
    r"not going to try",
    r"will not (?:be )?(?:retried|retry|try)",
    r"no (?:further|more) (?:delivery )?attempt",
    r"undeliverable after",
    r"has (?:been )?(?:failed|returned)",
    r"delivery has failed",
    r"being returned",
    r"returned to sender",
    r"could not be delivered to (?:one or more|all) of",
    r"in the queue too long",
    r"retry timeout exceeded",
    r"(?:unknown|no such) user|user unknown",
    r"is full.{0,40}(?:rejected|returned)",
    r"endgültig|dauerhaft",
    r"définitive|permanente?",
    r"definitiv",
)

SUBJECTS = (
    r"undeliver",
    r"delivery (?:status )?(?:notif|fail|problem|error|report|has failed|unsuccess|warning|delay"
    r"|incomplete)",
    r"deliver(?:y|ing)[^\n]{0,20}fail",
    r"returned (?:mail|message|e-?mail|to sender)",
    r"^mail (?:delivery|error|failure|could|cannot|not|returned|system error|undeliver|warning)",
    r"mail(?:er)? (?:delivery )?(?:failed|failure|error|problem|bounced|rejected)",
    r"failure (?:notice|delivery)|failed mail|fail(?:ed|ure) (?:to deliver|notice|of)",
    r"non[- ]?(?:deliver|remis)",
    r"not[- ]delivered|not deliver",
    r"message (?:not|undeliver|delivery|could|rejected|bounced|blocked|status|returned)",
    r"(?:bounced?|rejected|refused|blocked|returned) (?:mail|message|e-?mail)",
    r"^ndr\b|^\[?(?:bounce|dsn)",
    r"warning: (?:message|could not|mail)",
    r"could not (?:be )?(?:send|sent|deliver)",
    r"^warning: ",
    r"problem delivering|delivery to .{1,80}(?:failed|aborted)",
    r"(?:user|mailbox|address|recipient|host) (?:unknown|full|not found|unavailable|rejected)",
    r"(?:unknown|invalid) (?:user|recipient|address)",
    r"nondeliver",
    r"e-?mail (?:delivery|not|address|rejected)",
    r"mail system error",
    r"over ?quota|mailbox (?:is )?full",
    r"error (?:sending|delivering|in) ",
    r"^(?:delivery|mail) (?:notification|status)",
)

AUTO_SUBJECTS = (
    r"^(?:\W*(?:re|aw|sv|antw|vs)\s*:\s*)*(?:\[?auto(?:matic|mated|matische)?[ -]?(?:re(?:ply|sponse"
    r"|sponder|spond)|answer|ack|mail|notif)|auto[: \]])",
    r"out[ -]of[ -](?:the[ -])?office|ooo\b|away from (?:my |the )?(?:office|desk|e-?mail|mail)|(?:on"
    r"|annual|holiday|maternity|parental) (?:leave|vacation)|vacation|on holiday|i(?:'m| am) away"
    r"|(?:currently|temporarily) (?:away|unavailable)|no longer (?:with|works|at)|has left",
    r"abwesen|automatische (?:antwort|abwesen)|nicht im (?:büro|haus)|urlaub|außer haus"
    r"|eingangsbestätigung|autoantwort",
    r"r[ée]ponse automatique|absence|absent(?:e)?\b|en cong[ée]s?|hors du bureau"
    r"|accus[ée] de r[ée]ception|message automatique",
    r"respuesta autom|fuera de (?:la )?oficina|contestaci[óo]n autom|ausen(?:te|cia)|vacaciones"
    r"|autorespuesta|acuse de recibo",
    r"resposta autom|fora do escrit[óo]rio|aus[êe]n(?:cia|te)|f[ée]rias",
    r"risposta automatica|fuori (?:sede|ufficio)|assen(?:za|te)|in ferie|autorisponditore",
    r"автоответ|автоматический ответ|отсутств|отпуск|автовідповід|автоматична відповідь"
    r"|автоматичен отговор|аутоматски одговор",
    r"自動(?:返信|応答|回覆|回复|答复)|不在(?:通知|の|連絡)?|休暇|外出中",
    r"自[动動](?:回[复覆]|答[复覆]|应答)|休假|不在办公室|外出",
    r"부재|자동 ?(?:응답|회신)",
    r"automatisch antwoord|afwezig|niet aanwezig|autosvar|automatiskt svar|frånvar|automatisk svar"
    r"|fravær|automaattinen|poissa|autoodpowied|automatyczna odpowied|odpowied[źz] automatyczn|nieobecn"
    r"|automatick[áa] odpov|αυτόματη απάντηση|εκτός γραφείου|samodejni odgovor|automatski odgovor"
    r"|automaatvastus|automātiskā atbilde|automatinis atsakymas"
    r"|nep[řr][íi]tomn|otomatik (?:yan[ıi]t|cevap)|automatikus v[áa]lasz|תשובה אוטומטית|מענה אוטומטי"
    r"|رد تلقائي|الرد التلقائي|trả lời tự động|ตอบกลับอัตโนมัติ|balasan otomatis|răspuns automat",
    r"(?:thank you|thanks) for (?:contacting|your (?:e-?mail|message|inquiry|enquiry|mail)|e-?mailing"
    r"|getting in touch)|we(?: have|'ve)? received your (?:e-?mail|message|request|inquiry)|(?:ticket"
    r"|case|request)[^\n]{0,20}(?:received|created|opened|#\d)|acknowledg|confirmation of receipt",
    r"(?:please )?(?:confirm|verify)[^\n]{0,30}(?:your )?(?:message|e-?mail|mail|sender|identity"
    r"|address)|confirmation (?:required|needed|request)|verification (?:required|request)"
    r"|action required|sender (?:verification|confirmation|address verif)|challenge[ /-]response"
    r"|waiting (?:for|list)|guest list|spam ?(?:arrest|blocker|protection)|boxbe|whitelist"
    r"|approval (?:required|needed)|held for|await(?:ing|s)|reply required",
    r"^(?:read|gelesen|lu|leído|lido|letto|開封済み|прочтено|已读)\s*:|disposition notification"
    r"|read receipt|return receipt|lesebestätigung",
    r"(?:e-?mail|address)[^\n]{0,20}(?:has )?changed|change of (?:e-?mail|address)"
    r"|new (?:e-?mail )?address|neue (?:e-?mail|mail)-?adresse|nouvelle adresse|moved",
)

CHALLENGES = (
    r"(?:click|reply|follow|respond|visit)[^\n]{0,80}(?:confirm|verify|deliver(?:ed|y)? (?:of )?your"
    r"|approve|authenticat|prove|validate|release)",
    r"(?:confirm|verify)[^\n]{0,40}(?:that you are|you are (?:a )?(?:human|real|not)|your (?:identity"
    r"|e-?mail|address|message))",
    r"(?:is|are) (?:being )?(?:held|quarantined|awaiting|pending|waiting)[^\n]{0,60}(?:until|for"
    r"|because|approval|verif|confirm)",
    r"(?:approved|accepted|allowed|safe|trusted|guest|white) ?(?:-|\s)?(?:senders?|list)",
    r"senders i have approved|list of (?:approved|allowed|trusted|safe) senders",
    r"one[- ]time|only (?:need|have) to (?:do this|reply) once",
    r"spam ?(?:arrest|-?protect|-?block|challenge)|boxbe|tmda|bluebottle|challenge",
)

PROTECTED = (
    r"protected by|(?:allowed|approved|safe|trusted|guest|white)[ -]?(?:senders? )?list"
    r"|wait(?:ing)?[ -]?list|trusted sender|to ensure delivery of your (?:e-?mail|message)",
    r"senders i have approved|list of (?:approved|allowed|trusted|safe) senders",
    r"your (?:message|e-?mail|mail)[^\n]{0,60} (?:has been|was|is)(?: being)? (?:held|waitlisted"
    r"|quarantined|delayed until|pending|not (?:yet )?delivered)|spam ?arrest|boxbe|tmda|bluebottle"
    r"|challenge[/ -]response|unsolicited (?:e-?mail|mail)[^\n]{0,60}(?:filter|protect)",
)

WAITING = (
    r"i(?:'m| am| will be|'ll be)(?: currently)? (?:away|out|on (?:vacation|holiday|leave)|not (?:in"
    r"|available)|travel)",
    r"out of (?:the )?office",
    r"(?:on|until|through) (?:vacation|holiday|annual leave|maternity)",
    r"(?:will|'ll) (?:be back|return|reply|respond|get back|answer)",
    r"(?:limited|no|intermittent) access to (?:my )?e-?mail",
    r"auto(?:matic|mated)?[- ]?(?:reply|response|generated|responder)",
    r"abwesend|nicht im (?:büro|hause)|bin (?:ab|bis|vom|wieder)",
    r"absent(?:e)? (?:du|jusqu)|de retour le|serai absent",
    r"fuera de la oficina|estar[ée] (?:ausente|fuera)|regres",
    r"ausente|estarei|retorn(?:o|arei)",
    r"sar[òo] (?:assente|fuori)|assente|rientr",
    r"отпуск|отсутств|вернусь",
    r"不在|休暇|返信",
    r"休假|自[动動]回[复覆]|不在办公",
    r"urlop|nieobecn",
)


@lru_cache(maxsize=16)
def any_of(patterns: tuple[str, ...]) -> Any:
    """One RE2 pattern that finds any of these."""
    import re2

    options = re2.Options()
    options.case_sensitive = False
    options.max_mem = 64 << 20
    return re2.compile("(?:" + "|".join(f"(?:{pattern})" for pattern in patterns) + ")", options)


def is_told(patterns: tuple[str, ...], text: str) -> bool:
    """Whether any of these is in the text."""
    return any_of(patterns).search(text) is not None
