"""Plain sentences of the fields the tiny backbone will be adapted to.

They keep words of medicine and teaching from being split into single bytes, and the last stage of
pretraining has them repeated, so that every word has an embedding of its own.
"""

from itertools import product


def _words(listed: str) -> list[str]:
    return listed.split()


_FINDINGS = _words(
    "cardiomegaly effusion consolidation nodule pneumothorax pneumonia atelectasis infiltration "
    "mass edema emphysema fibrosis fracture hernia opacity tuberculosis covid finding lesion "
    "enlarged heart pleural thickening granuloma scarring congestion calcification normal abnormal"
)
_PARTS = _words(
    "lung heart rib diaphragm pleura mediastinum hilum trachea aorta spine clavicle lobe apex base "
    "chest lungs thorax costophrenic angle bone hand knee hip brain abdomen shoulder"
)
_NOTES = (
    "cough",
    "fever",
    "chest pain",
    "shortness of breath",
    "dyspnea",
    "fatigue",
    "weight loss",
    "routine check",
    "follow-up",
    "night sweats",
    "trauma",
    "preoperative",
    "smoker",
    "hypertension",
)
_SUBJECTS = _words(
    "mathematics physics chemistry biology geography history astronomy computing economics anatomy "
    "geometry algebra statistics psychology sociology nursing engineering programming genetics "
    "microbiology physiology calculus government business accounting philosophy music art language"
)
_SHOWN = _words(
    "diagram graph chart table equation map photograph figure cell atom molecule circuit triangle "
    "axis function circle curve line planet star wave force energy reaction acid enzyme population "
    "slide lecture teacher screen video blackboard code robot experiment timeline network vector "
    "structure process cycle layer tissue organ muscle nerve protein membrane bacteria virus"
)
_COMMON = _words(
    "about above across after again against all almost along already also although always among "
    "another answer appear appears area around available away background back bar based basic "
    "because become before behind being below best better between big black blood board bond book "
    "both bottom box brain brown building by call called can carbon careful case cause center "
    "central certain change changes class clear close closed cloud cold common compare complete "
    "concept consistent contain contains content control correct could count country course curved "
    "dark data day death decrease deep define density describe different difficult direction "
    "discuss disease distance do does dose down draw drawing during each early earth east edge "
    "effect eight either electric electron element end enough environment equal even event every "
    "evidence exam example examine explain explains expression eye face fact false family far fast "
    "few field final find first five flow fluid focus following food form formula four free "
    "frequency from front full further gas general give given glass good great ground group grow "
    "growth half hard have health heat height high history hold hormone hospital hour house how "
    "however human hypothesis idea if illustrates image important in including increase increased "
    "inside instrument interior into introduction is it item its join just keep key kind know "
    "label labelled large later law lead learn least less lesson level light like likely limit "
    "line link liquid list little local long look loss low lower machine magnetic main make many "
    "mark market mass material matter may mean measure mechanism medical medium method middle "
    "might minor model money month more most motion mother move movement much multiple music must "
    "name nation natural near need negative new next no none normal north note nothing now nuclear "
    "number object observed occur of off often old on one only open operation or orange order "
    "other out outside over own oxygen page pair paper parallel part parts past pattern people "
    "per perform person phase picture piece plan plane plant plus point positive possible "
    "potential power pressure price principle probability problem product production project "
    "property protein proof public pulmonary pure put quality quantity question quick radius rate "
    "ratio read real reason record reduce region relation remember report represents result "
    "results return review risk rock role room root rotation round row rule run sample say scale "
    "scene school science scientist second section see seems sentence sequence series set seven "
    "several shape she should show showing shown shows side sign signal similar simple since "
    "single site six size skin small social society soft soil solid solution solve some sound "
    "source south space special species speed stable stage stand standard star start state static "
    "step still stop story strong student study substance such sugar suggest sun support surface "
    "surgery symbol symptom system table take talk task technology temperature ten term test text "
    "than that their them then theory there therefore these they thin thing third this those "
    "though three through time title today together tool top topic total toward trade tree trial "
    "true try tube turn two type typical under understand unit until up upper upright use used "
    "user using usually value variable various vertical very view visible visual volume wall war "
    "was water way we weight well were west what when where whether which while white who whole "
    "why wide will window with within without woman word work world would write wrong year yellow "
    "you young your zero infant child children adult male female unremarkable demonstrated "
    "interval stable unchanged bilateral unilateral findings impression catheter tube device "
    "pacemaker surgical clip silhouette cardiac vascular markings hyperinflated degenerative "
    "projection lateral supine erect portable"
)
_PATIENT = (
    "The radiograph shows {finding} in the right {part}.",
    "There is no evidence of {finding} in the left {part}.",
    "Note: {note}. Which finding does the image show? {finding}",
    "{age} year old {sex} with {note}, frontal view, posteroanterior PA or anteroposterior AP.",
    "The patient, a {sex} of {age}, has {note}; the {part} is clear and within normal limits.",
    "Does the X-ray show {finding}? Yes or no. Bilateral, acute, mild, moderate or severe {part}.",
)
_LESSON = (
    "This figure from a {subject} textbook shows a {shown}.",
    "In this lecture the teacher explains the {shown} and what it means for {subject}.",
    "Which subject is being taught? {subject}. What is shown on the slide? A {shown}.",
    "The speaker says: now we look at the {shown}, because it is an important part of {subject}.",
    "Which caption belongs to the image? Describe the figure. "
    "The {shown} of the chapter on {subject}.",
    "The transcript of the video mentions the {shown} several times before the {subject} question.",
)


def field_sentences() -> list[str]:
    """About three thousand sentences and words, always the same ones in the same order."""
    sentences = []
    for index, (finding, part) in enumerate(product(_FINDINGS, _PARTS)):
        sentences.append(
            _PATIENT[index % len(_PATIENT)].format(
                finding=finding,
                part=part,
                note=_NOTES[index % len(_NOTES)],
                age=20 + index % 70,
                sex=("woman", "man", "female", "male")[index % 4],
            )
        )
    for index, (subject, shown) in enumerate(product(_SUBJECTS, _SHOWN)):
        sentences.append(_LESSON[index % len(_LESSON)].format(subject=subject, shown=shown))
    # Twice: the trainer merges what it sees more than once.
    return sentences + _COMMON + _COMMON
