"""Function words and number words of languages other than English.

They are used only to compare sentences. `terms.py`, which finds what a transcript is about, does without them, since it
has to work in every language.
"""

# ruff: noqa: RUF001  (letters of several scripts)
from __future__ import annotations

_BY_LANGUAGE = {
    "de": (
        "aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bin bis bist da "
        "dabei dafür damit danach dann daran darauf darin das dass davon dazu dem den denn der deren des dessen die "
        "dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines einige einmal "
        "er es etwa etwas euch euer für ganz gar gegen gibt haben hat hatte hatten hier hin hinter ich ihm ihn "
        "ihnen ihr ihre ihrem ihren ihrer im immer in ins ist ja jede jedem jeden jeder jedes jetzt kann kein keine "
        "keinen können könnte man manche mehr mein meine meinem meinen meiner mich mir mit muss müssen nach nicht "
        "nichts noch nun nur ob oder ohne schon sehr sein seine seinem seinen seiner seit sich sie sind so solche "
        "soll sollte sollten sondern sonst um und uns unser unsere unter viel viele vom von vor war waren warum was "
        "weil welche wenn wer werden wie wieder will wir wird wo wurde wurden während zu zum zur zwei zwischen über"
    ),
    "fr": (
        "ai ainsi alors après au aucun aussi autre autres aux avant avec avez avoir avons ayant beaucoup bien car "
        "ce ceci cela celle celles celui ces cet cette ceux chaque chez comme comment dans de depuis derrière des "
        "deux donc dont du elle elles en encore entre es est et eu eux fait faut font il ils je jusque la le les "
        "leur leurs lors lui là ma mais me mes moi moins mon même ne ni non nos notre nous on ont ou où par parce "
        "pas peu peut peuvent plus plusieurs pour pourquoi puis qu quand que quel quelle quelques qui quoi sa sans "
        "se sera ses si son sont sous sur ta te tes toi ton tous tout toute toutes trop très tu un une vers voici "
        "vos votre vous étaient était étant été être"
    ),
    "es": (
        "al algo alguna algunas alguno algunos ante antes aquí así aun aunque bien cada casi como con contra cual "
        "cuando de del desde donde dos durante el ella ellas ellos en entre era eran es esa esas ese eso esos esta "
        "estar estas este esto estos está están fue fueron ha había hace hacer hacia han hasta hay la las le les lo "
        "los me menos mi mientras mis mucha muchas mucho muchos muy más nada ni no nos nosotros nuestra nuestro "
        "nunca o os otra otras otro otros para pero poco por porque pues que quien qué se sea según ser si sido "
        "siempre sin sobre son su sus sí también tan tanto te tiene tienen toda todas todo todos tras tu tus un una "
        "unas uno unos usted y ya yo él"
    ),
    "it": (
        "a abbiamo ai al alla alle allo anche ancora avere c che chi ci cioè come con cosa così cui da dai dal "
        "dalla dalle degli dei del dell della delle dello dentro di dopo dove due e ed ella era erano essere fa fra "
        "gli ha hanno ho i il in io la le lei li lo loro lui ma me mentre mi mia mie mio molta molti molto ne negli "
        "nei nel nella nelle no noi non nostra nostro o ogni ora per perché più poco poi prima può qua quale quando "
        "quasi quella quelle quelli quello questa queste questi questo qui se sei sempre senza si sia siamo sono "
        "sopra sotto stata stato su sua sue sugli sul sulla suo suoi te ti tra tu tua tuo tutta tutte tutti tutto "
        "un una uno voi è"
    ),
    "pt": (
        "a ainda algum alguma alguns além ante antes ao aos apenas aquela aquele aqui as assim até bem cada com "
        "como contra da das de dela dele deles depois desde dessa desse desta deste do dois dos e ela elas ele eles "
        "em entre era eram essa esse esta este está estão eu foi foram há isso isto já la lhe mais mas me mesmo meu "
        "meus minha muita muitas muito muitos na nada nas nem nesta neste no nos nossa nosso num numa não nós o "
        "onde os ou outra outras outro outros para pela pelas pelo pelos pode podem pois por porque pouco quando "
        "que quem se seja sem sempre ser será seu seus sob sobre sua suas são também tem ter toda todas todo todos "
        "tão têm um uma umas uns você vocês"
    ),
    "nl": (
        "aan achter al alle alleen alles als altijd andere bij daar dan dat de deze die dit doen door dus een eens "
        "en er ergens had hadden heb hebben heeft heel hem hen het hier hij hoe hun iets ik in is ja je jij jou "
        "jouw jullie kan kon kunnen maar me meer men met mij mijn moet moeten na naar niet niets nog nu of om omdat "
        "onder ons onze ook op over te tegen toch toen tot u uit uw van veel voor waar waarom want waren was wat we "
        "weer wel welke werd wie wij worden wordt zal ze zelf zich zij zijn zo zonder zou"
    ),
    "sv": (
        "alla allt att av bara blev bli blir de dem den denna deras dess dessa det detta dig din du där efter ej "
        "eller en er ett från för ha hade han hans har henne hennes hon honom hur här i icke in inte jag ju kan "
        "kunde man med mellan men mig min mot mycket ni nu när någon något några och om oss på samma sedan sig sin "
        "sitt själv ska skulle som så till under upp ut utan vad var vara varför varit vi vid vilka vilken är över"
    ),
    "pl": (
        "aby ale ani bardzo bez bo by być był była było były będzie co czy dla do gdy gdzie go ich ile im inne inny "
        "ja jak jako jego jej jest jeszcze jeśli już każdy kiedy kto która które który lub ma mają mi mnie może "
        "można na nad nam nas nasz nie niej nim nią no o od on ona one oni ono oraz pan pani po pod przed przez "
        "przy się są ta tak także tam te tego tej temu ten to tu ty tych tylko tym u w we wszystko z za ze że"
    ),
    "ru": (
        "без более больше был была были было быть вам вас весь во вот все всего всех вы где да даже для до его ее "
        "если есть еще ещё её же за здесь из или им их как какой когда которая которые который кто ли меня мне "
        "много может можно мой моя мы на над надо нам нас наш не него нее нет ни них но ну об однако он она они оно "
        "от очень по под потом потому почти при про раз сам своих свой себя сейчас со так также там тебя тем то "
        "тогда того тоже только том тот ты уже хотя чего чем через что чтобы эта эти это этого этой этом этот"
    ),
}
_NUMBERS_BY_LANGUAGE = {
    "de": "zwei drei vier fünf sechs sieben acht neun zehn elf zwölf zwanzig dreißig vierzig fünfzig sechzig siebzig "
    "achtzig neunzig hundert tausend million millionen",
    "fr": "deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize vingt trente quarante "
    "cinquante soixante cent cents mille million millions",
    "es": "dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince "
    "dieciséis diecisiete dieciocho diecinueve veinte veintiuno veintiún veintiuna veintidós veintitrés veinticuatro "
    "veinticinco veintiséis veintisiete veintiocho veintinueve treinta cuarenta "
    "cincuenta sesenta setenta ochenta noventa cien ciento doscientos trescientos "
    "cuatrocientos quinientos seiscientos setecientos ochocientos novecientos doscientas trescientas cuatrocientas "
    "quinientas seiscientas setecientas ochocientas novecientas mil millón millones",
    "it": "due tre quattro cinque sei sette otto nove dieci undici dodici venti trenta quaranta cinquanta sessanta "
    "settanta ottanta novanta cento mille mila milione milioni",
    "pt": "dois duas três quatro cinco seis sete oito nove dez onze doze vinte trinta quarenta cinquenta sessenta "
    "setenta oitenta noventa cem cento duzentos quinhentos mil milhão milhões",
    "nl": "twee drie vier vijf zes zeven acht negen tien elf twaalf twintig dertig veertig vijftig zestig zeventig "
    "tachtig negentig honderd duizend miljoen",
    "sv": "två tre fyra fem sex sju åtta nio tio elva tolv tjugo trettio fyrtio femtio sextio sjuttio åttio nittio "
    "hundra tusen miljon",
    "pl": "dwa dwie trzy cztery pięć sześć siedem osiem dziewięć dziesięć dwadzieścia trzydzieści czterdzieści sto "
    "dwieście tysiąc tysiące tysięcy milion",
    "ru": "два две три четыре пять шесть семь восемь девять десять двадцать тридцать сорок пятьдесят шестьдесят сто "
    "двести тысяча тысячи тысяч миллион",
}
_NUMBERS = {language: frozenset(listed.split()) for language, listed in _NUMBERS_BY_LANGUAGE.items()}
_NUMBERS["de"] |= frozenset(
    [one + "zehn" for one in ["drei", "vier", "fünf", "sech", "sieb", "acht", "neun"]]
    + [
        f"{one}und{ten}"
        for one in ["ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
        for ten in ["zwanzig", "dreißig", "vierzig", "fünfzig", "sechzig", "siebzig", "achtzig", "neunzig"]
    ]
    + [
        f"{one}{large}"
        for one in ["ein", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"]
        for large in ("hundert", "tausend")
    ]
)
_SETS = {language: frozenset(listed.split()) for language, listed in _BY_LANGUAGE.items()}


def function_words(language: str) -> frozenset[str]:
    """The function words of a language, by its code; empty if the language is not listed."""
    return _SETS.get(language.lower()[:2], frozenset())


def number_words(language: str) -> frozenset[str]:
    """The number words of a language other than English, by its code. Their values are unknown here: such a word must
    be in the transcript in the same spelling."""
    return _NUMBERS.get(language.lower()[:2], frozenset())
