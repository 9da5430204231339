"""Categories for a catalogue that has none: by the words of a product's description.

A fixed list says which words name which kind of thing. English puts the thing last, so the last such word counts,
and what follows WITH, FOR, IN or ON only if nothing before it does: "JAM MAKING SET WITH JARS". Words for motifs and
materials count only where no word for a thing is found: "RETROSPOT HEART MUG" is a mug, "HEART OF WICKER" a heart.
The list is fixed rather than learnt from the file, so that a category never depends on what was sold later.
"""

import re
from collections.abc import Mapping

OTHER = "other"

_THINGS: Mapping[str, str] = {
    "bags": "BAG BAGS SHOPPER SHOPPERS TOTE HANDBAG RUCKSACK BACKPACK WASHBAG",
    "baking": "CASES MOULD MOULDS CUTTER CUTTERS BAKING SCALES TIMER WHISK ROLLING MEASURING MEASURES",
    "baskets and storage": "BASKET BASKETS BIN TIDY ORGANISER STORAGE CRATE CRATES BUCKET TUB CONTAINER HAMPER",
    "bathroom": "SOAP FLANNEL BATHROOM BATH TOOTHBRUSH PLASTERS SPONGE",
    "bottles and jars": "BOTTLE BOTTLES JAR JARS FLASK WARMER WARMERS",
    "boxes": "BOX BOXES CHEST CHESTS",
    "bunting and garlands": "BUNTING GARLAND GARLANDS STREAMER STREAMERS",
    "cake stands and trays": "CAKESTAND STAND TRAY TRAYS TIER PLATTER",
    "candles": "CANDLE CANDLES INCENSE MATCHES TEALIGHTS",
    "cards": "CARD CARDS POSTCARD POSTCARDS ENVELOPE ENVELOPES",
    "clocks": "CLOCK CLOCKS",
    "craft": "KIT SEWING PATCHES FELTCRAFT BUTTONS KNITTING CROCHET PEGS STENCIL",
    "cups and mugs": "MUG MUGS CUP CUPS SAUCER SAUCERS TEACUP TEACUPS BEAKER BEAKERS EGGCUP EGGCUPS",
    "cushions and throws": "CUSHION CUSHIONS THROW QUILT CURTAIN CURTAINS BLANKET RUG",
    "cutlery": "CUTLERY FORK FORKS KNIFE KNIVES SPOON SPOONS CHOPSTICKS",
    "decorations": "DECORATION DECORATIONS ORNAMENT ORNAMENTS BELL BELLS WREATH BAUBLE BAUBLES TINSEL",
    "doormats and doorstops": "DOORMAT DOORMATS DOORSTOP MAT",
    "frames and mirrors": "FRAME FRAMES MIRROR MIRRORS PHOTO PHOTOFRAME",
    "furniture": "CABINET DRAWER DRAWERS CHAIR TABLE STOOL SEAT SHELF SHELVES SIDEBOARD BENCH RACK CORNICE",
    "garden": "PLANTER WATERING CAN CANS TROWEL TROWELS THERMOMETER FEEDER GNOME GARDENING WINDMILL SPADE RAKE MARKER "
    "WHEELBARROW HAMMOCK",
    "glasses": "GOBLET TUMBLER TUMBLERS GLASSES CARAFE DECANTER CHAMPAGNE",
    "hair": "HAIR COMB HAIRCLIP HAIRCLIPS HAIRSLIDE SLIDE SLIDES HAIRBAND HEADBAND",
    "holders and lanterns": "HOLDER HOLDERS HLDR LANTERN LANTERNS CANDLEHOLDER CANDLESTICK CANDLESTICKS CANDELABRA",
    "hooks and knobs": "HOOK HOOKS KNOB KNOBS HANGER HANGERS HANDLE",
    "jewellery": "NECKLACE NECKLACES NECKL BRACELET BRACELETS EARRINGS EARRING RING RINGS CHARM CHARMS BROOCH PENDANT "
    "BANGLE BANGLES BEADS CHOKER LARIAT",
    "jugs and pots": "JUG JUGS POT POTS TEAPOT TEAPOTS KETTLE CAFETIERE PAN VASE PITCHER",
    "key rings": "KEYRING KEYRINGS CHAIN CHAINS FOB FOBS",
    "kitchen textiles": "APRON APRONS TOWEL TOWELS TABLECLOTH PLACEMAT PLACEMATS COSY GLOVE GLOVES MITT COASTER "
    "COASTERS",
    "letters and tiles": "LETTER LETTERS NUMBER NUMBERS TILE TILES ALPHABET",
    "lights": "LIGHTS LIGHT LAMP LAMPS LAMPSHADE CHANDELIER TORCH",
    "money boxes": "BANK PIGGY MONEYBOX",
    "party": "STRAWS PARTY HAT HATS BALLOON BALLOONS FAN FANS CONES CONFETTI",
    "picnic": "PICNIC LUNCH SNACK",
    "plates and bowls": "PLATE PLATES BOWL BOWLS DISH DISHES RAMEKIN RAMEKINS",
    "purses and covers": "PURSE PURSES WALLET COVER COVERS LUGGAGE PASSPORT SUITCASE TISSUES",
    "ribbons and wrap": "WRAP RIBBON RIBBONS TAPE WRAPS TAPES TISSUE GIFTWRAP TAG TAGS",
    "signs": "SIGN SIGNS PLAQUE WORD CHALKBOARD BLACKBOARD BOARD MEMOBOARD NOTICEBOARD",
    "stationery": "NOTEBOOK NOTEBOOKS PEN PENS PENCIL PENCILS RULER JOURNAL SKETCHBOOK ERASER ERASERS RUBBER PAD "
    "SHARPENER CALENDAR BOOK BOOKS DIARY CLIPBOARD NOTES CHALK CHALKS SCISSOR PAPERWEIGHT STATIONERY WRITING",
    "stickers and magnets": "STICKER STICKERS MAGNET MAGNETS STAMP STAMPS TATTOOS",
    "table paper": "DOILY DOILIES NAPKIN NAPKINS",
    "tins": "TIN TINS",
    "toys": "TOY TOYS DOLL DOLLS GAME GAMES JIGSAW PUZZLE PUZZLES SOLDIER SOLDIERS SKITTLES DOMINOES DOMINO HELICOPTER "
    "GLIDERS TRAIN TRAINS SNAKES SKIPPING ROPE TRUMPET HARMONICA MARBLES PUPPET PUPPETS TEDDY DRAWING CRAYONS LUDO "
    "PLAYHOUSE TOPS",
    "umbrellas": "UMBRELLA UMBRELLAS PARASOL",
    "wall art": "ART CANVAS POSTER PRINT PRINTS PICTURE",
}
_MOTIFS: Mapping[str, str] = {
    "animals": "BIRD BIRDS BUTTERFLY BUTTERFLIES OWL CAT DOG DOVE ANIMAL ANIMALS DUCK DUCKS ELEPHANT REINDEER",
    "christmas": "CHRISTMAS XMAS SANTA SNOWMAN ADVENT",
    "easter": "EASTER EGG EGGS BUNNY RABBIT CHICK CHICKS HEN",
    "flowers and trees": "FLOWER FLOWERS ROSE ROSES TULIP BLOSSOM TREE LEAF PLANT DAISY DAISIES",
    "glass": "GLASS CRYSTAL",
    "hearts and stars": "HEART HEARTS STAR STARS",
    "kitchen": "KITCHEN COLANDER LOLLY TEA COFFEE SUGAR JAM CAKE CAKES RECIPE PANTRY",
    "sets": "SET",
}
_THING_OF = {word: kind for kind, words in _THINGS.items() for word in words.split()}
_MOTIF_OF = {word: kind for kind, words in _MOTIFS.items() for word in words.split()}
_ASIDE = re.compile(r"\b(?:WITH|FOR|IN|ON|W)\b")

CATEGORIES = tuple(sorted({*_THINGS, *_MOTIFS, OTHER}))


def categorise(title: str | None) -> tuple[str, str | None]:
    """The category of a product, and the word that told; `other` and None where no word tells.

    >>> categorise("JUMBO BAG RED RETROSPOT")
    ('bags', 'BAG')
    >>> categorise("HEART OF WICKER SMALL")
    ('hearts and stars', 'HEART')
    >>> categorise("wrongly coded")
    ('other', None)
    """
    whole = (title or "").upper()
    main = _ASIDE.split(whole, maxsplit=1)[0]
    for kinds in (_THING_OF, _MOTIF_OF):
        for text in (main, whole):
            if known := [word for word in re.findall(r"[A-Z]+", text) if word in kinds]:
                return kinds[known[-1]], known[-1]
    return OTHER, None
