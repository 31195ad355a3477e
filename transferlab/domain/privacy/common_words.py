"""Words of reports that are names too: they alone do not say that somebody is named."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


HONORIFICS = _words(
    """
    dr dres mr mrs ms miss mx prof professor sir dame rev md phd rn msc bsc facr frcr jr sr ii iii
    iv esq herr frau monsieur madame mme mlle senor senora sra
    """
)
"""Titles that PatientName has in its prefix or suffix; they name nobody."""

COMMON_WORDS = _words(
    """
    a abdomen about above acute after again age ago air all almost along already also although
    always am an and ankle another any aorta ap apex are area arm as at away back bag bar base
    basis be bean because been before below best better between big black block blue body bold
    bone both bow boy brain branch breast bright broad brown but by cage can care case central
    change chest child clean clear close cloud cold cough could cross cut dark day days deep did
    disease do does done down dry due during each ear early easy edge effusion eight end even
    ever every eye face fair fall far feet fever few field film final find finding findings fine
    finger first five flat flow focal foot for found four free from front full further general
    girl give given glass go gold good grand gray great green grey ground had half hand hands
    hard has have he head heart heavy heel height held help her here hernia high hilum him hip
    his hold home hot hour how i ice if image in inner into is it its join joint just keep key
    kidney kind knee know large last late lateral lay lead leads left leg lesion less level
    light limb line lines little liver lobe long longer low lower lung lungs made male man many
    march mark marker marks mass may me mean medial middle mild mine minor moderate more morning
    moss most mouth much must my nail near neck new next night nine no nodule none normal north
    nose not note noted now of off old on once one only open or other our out outer over own
    page pain pale past patch patient peak pink place plain plate pleural pool poor port post
    power prior quick rapid ray read reading red rest rib rich right ring rise room root rose
    round row rule run said same saw say scan scar second see seen series set severe sharp she
    short should shoulder show shown side silver simple since six skin slice slide slight small
    so soft some son soon space stable stage star state stay stem step still stone strong study
    such summer sun tail tall ten than that the their them then there these they thick thin
    thing this those three through thumb tip to today toe too top trace tree trial true tube
    turn two under unit until up upon upper us use usual valley vein very view was water way we
    weight well went were west when where which while white who whole why wide will winter wise
    with without wood word work would wrist yes yet you young your
    """
)
"""Function words and other words of radiology reports; folded."""

PARTICLES = _words(
    """
    al ben bin da das de del della den der des di dos du el ibn la le les los san st sta ter van
    von
    """
)
"""Of names of many languages; they name somebody beside a name only."""

SHORT_FORMS = _words(
    """
    ac bp cc ch cl cm co cr ct cv dc dl dx ed eg er et fa fu ga gi gy ha hr hx hz ie im iu iv kg kv
    ll lt lv ma mg mi ml mm mo mr ms mu na ng nl nm no oz pa ph pm po pt px ra rb re rt rv rx sc se
    sv sx ta te ti tl tx ul um us uv wk wt xr yo yr
    """
)
"""Units and abbreviations that are surnames too, in small letters: "4 ng" is none."""
