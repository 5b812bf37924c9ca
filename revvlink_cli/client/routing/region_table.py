"""Where Discord's voice servers stand: the codes and names that their host names begin with.

Data apart from the code that reads it, because it grows with every new site while the reading does not change. Since
2025 Discord runs voice servers in Cloudflare's sites and names them by the airport's IATA code; any site can appear
without notice, so all of them are here, those closed since included. Codes are filed by the country of the airport,
and countries by how their traffic flows: Mexico, Central America and the Caribbean reach the world through the United
States, the Caucasus through Europe, Guam and the Pacific islands belong to Oceania, Hawaii to the United States.
"""

from __future__ import annotations

AIRPORTS: dict[str, dict[str, str]] = {
    "us": {
        "United States": (
            "iad atl ord dfw sea sjc lax ewr abq anc aus bgr bna bos buf cle clt cmh cvg den dtw fsd hnl iah ind jax "
            "las mci mem mfe mgm mia msp okc oma orf pdx phl phx pit rdu ric san sat sfo slc smf stl tlh tpa"
        ),
        "Canada": "yul ymq yyz yvr yyc yow ywg yxe yhz",
        "Mexico": "mex gdl qro",
        "Barbados": "bgi",
        "Costa Rica": "sjo",
        "Curacao": "cur",
        "Dominican Republic": "sdq sti",
        "Grenada": "gnd",
        "Guatemala": "gua",
        "Haiti": "pap",
        "Honduras": "tgu sap",
        "Jamaica": "kin",
        "Panama": "pty",
        "Puerto Rico": "sju",
        "Trinidad and Tobago": "pos",
    },
    "southamerica": {
        "Brazil": (
            "gru aru bel bnu bsb caw cfc cgb cnf cwb fln for gig gyn itj jdo joi mao nvt pmw poa qwj rao rec sjk sjp "
            "sod ssa udi vcp vix xap"
        ),
        "Argentina": "eze cor nqn",
        "Bolivia": "lpb",
        "Chile": "scl ari ccp",
        "Colombia": "bog baq clo mde",
        "Ecuador": "gye uio",
        "Guyana": "geo",
        "Paraguay": "asu",
        "Peru": "lim",
        "Suriname": "pbm",
    },
    "eu": {
        "Albania": "tia",
        "Armenia": "evn",
        "Austria": "vie",
        "Azerbaijan": "gyd llk",
        "Belarus": "msq",
        "Belgium": "bru",
        "Bulgaria": "sof",
        "Croatia": "zag",
        "Cyprus": "lca",
        "Czech Republic": "prg",
        "Denmark": "cph",
        "Estonia": "tll",
        "Finland": "hel",
        "France": "cdg mrs lys bod",
        "Georgia": "tbs",
        "Germany": "fra dus ham muc str txl cgn",  # cgn, Cologne, is often taken for Guangzhou, which is can
        "Greece": "ath skg",
        "Hungary": "bud",
        "Iceland": "kef",
        "Ireland": "dub ork",
        "Italy": "mxp fco pmo",
        "Latvia": "rix",
        "Lithuania": "vno",
        "Luxembourg": "lux",
        "Malta": "mla",
        "Moldova": "kiv",
        "Netherlands": "ams rtm",
        "North Macedonia": "skp",
        "Norway": "osl",
        "Poland": "waw wro",
        "Portugal": "lis",
        "Romania": "otp buh",
        "Russia": "dme svo led svx kja khv kld",
        "Serbia": "beg",
        "Slovakia": "bts",
        "Slovenia": "lju",
        "Spain": "mad bcn",
        "Sweden": "arn got",
        "Switzerland": "zrh gva",
        "Turkey": "ist adb",
        "Ukraine": "kbp",
        "United Kingdom": "lhr man edi",
    },
    "africa": {
        "Algeria": "alg aae czl orn",
        "Angola": "lad",
        "Botswana": "gbe",
        "Burkina Faso": "oua",
        "Cameroon": "dla",
        "Congo": "fih",
        "Djibouti": "jib",
        "Egypt": "cai",
        "Ethiopia": "add",
        "Ghana": "acc",
        "Ivory Coast": "abj ask",
        "Kenya": "nbo mba",
        "Liberia": "rob",
        "Madagascar": "tnr",
        "Malawi": "llw",
        "Mauritius": "mru",
        "Morocco": "cmn",
        "Mozambique": "mpm",
        "Namibia": "wdh",
        "Nigeria": "los",
        "Reunion": "run",
        "Rwanda": "kgl",
        "Senegal": "dkr",
        "South Africa": "jnb cpt dur",
        "Tanzania": "dar",
        "Tunisia": "tun",
        "Uganda": "ebb",
        "Zambia": "lun",
        "Zimbabwe": "hre",
    },
    "middleeast": {
        "Bahrain": "bah",
        "Iraq": "bgw bsr ebl isu njf xnh",
        "Israel": "tlv hfa",
        "Jordan": "amm",
        "Kuwait": "kwi",
        "Lebanon": "bey",
        "Oman": "mct",
        "Palestine": "zdm",
        "Qatar": "doh",
        "Saudi Arabia": "ruh dmm jed",
        "United Arab Emirates": "dxb",
    },
    "asia": {
        "Bangladesh": "dac cgp jsr",
        "Bhutan": "pbh",
        "Brunei": "bwn",
        "Cambodia": "pnh",
        "China": (
            "acx aqg ava bhy bpe can cgd cgo cgq ckg csx ctu czx dlc foc fuo hak het hfe hgh hny hyn jjn juz jxg khn "
            "kmg kwe lhw lya nay nkg nng pkx sha she sjw szv szx tao ten tna tsn tyn wds whu wuh wux xfn xiy xnn yih "
            "yty zgn"
        ),
        "Hong Kong": "hkg",
        "India": "bom maa del blr hyd ccu agr aip amd bbi bdq cjb cnn cok ixc jrg knu luh nag pat pnq udr",
        "Indonesia": "cgk dps jog mlg",
        "Japan": "nrt hnd kix cts fuk koj ngo oka sdj",
        "Kazakhstan": "ala akx nqz",
        "Kyrgyzstan": "fru",
        "Laos": "vte",
        "Macau": "mfm",
        "Malaysia": "kul jhb kch",
        "Maldives": "mle",
        "Mongolia": "uln",
        "Myanmar": "rgn mdl",
        "Nepal": "ktm",
        "Pakistan": "khi isb lhe",
        "Philippines": "mnl ceb cgy crk",
        "Singapore": "sin",
        "South Korea": "icn",
        "Sri Lanka": "cmb",
        "Taiwan": "tpe khh",
        "Tajikistan": "dyu",
        "Thailand": "bkk cnx urt",
        "Uzbekistan": "tas",
        "Vietnam": "sgn han dad",
    },
    "oceania": {
        "Australia": "syd mel bne per adl cbr hba",
        "Fiji": "suv",
        "French Polynesia": "ppt",
        "Guam": "gum",
        "New Caledonia": "nou",
        "New Zealand": "akl chc wlg",
    },
}
"""IATA codes by label and country, separated by spaces."""

NAMES: dict[str, str] = {
    "us": (
        "us us-central us-east us-south us-west atlanta chicago dallas mexico miami montreal newark oregon "
        "santa-clara seattle st-pete toronto vancouver"
    ),
    "southamerica": (
        "southamerica south-america brazil bogota buenos-aires buenosaires lima santiago sao-paulo saopaulo"
    ),
    "eu": (
        "eu eu-central eu-west europe amsterdam brussels bucharest copenhagen dublin finland france frankfurt "
        "helsinki istanbul lisbon london madrid marseille milan moscow paris rotterdam russia stockholm turkey vienna "
        "warsaw zurich"
    ),
    "africa": "africa cairo cape-town capetown johannesburg kenya lagos nairobi nigeria south-africa southafrica",
    "middleeast": "middleeast middle-east bahrain dammam doha dubai israel riyadh tel-aviv telaviv",
    "asia": (
        "asia bangkok hong-kong hongkong india jakarta japan malaysia manila mumbai osaka philippines seoul singapore "
        "south-korea southkorea taiwan thailand tokyo"
    ),
    "oceania": "oceania auckland australia melbourne sydney",
}
"""Names used before airport codes, by label: those Discord was seen to use, and other spellings and neighbours of them.

``st-pete`` is St. Petersburg in Florida.
"""

LABEL_OF: dict[str, str] = {
    name: label
    for table in ({label: " ".join(countries.values()) for label, countries in AIRPORTS.items()}, NAMES)
    for label, names in table.items()
    for name in names.split()
}
"""Label of every code and name."""
