from snakemake.utils import min_version

from polarstem.errors import PolarstemError
from polarstem.files import claim

min_version("9.20")


include: "workflow/rules/config.smk"


pathvars:
    benchmarks="<results>/benchmarks",


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/structures.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/accuracy.smk"
include: "workflow/rules/limit.smk"
include: "workflow/rules/scenes.smk"
include: "workflow/rules/map.smk"
include: "workflow/rules/report.smk"


wildcard_constraints:
    specimen=one_of(SPECIMENS),
    domain=one_of(CONFIG.used_domains()),
    model=one_of(CONFIG.used_models()),
    adapted=one_of(ADAPTATIONS),
    source=one_of(CONFIG.used_sources()),
    seed=r"\d+",
    scene=one_of(SCENES),
    experiment=one_of(CONFIG.mapped()),


# Snakemake's own lock, off in profiles/, would outlive a kill.
onstart:
    try:
        claim(".snakemake/polarstem.lock")
    except PolarstemError as error:
        raise WorkflowError(str(error))


# Parts of it by name: `snakemake --cores 8 train`.
rule simulate:
    input:
        expand(
            "<results>/simulations/{specimen}.nc",
            specimen=specimens_of_engine("multislice"),
        ),
        expand("<results>/scattering/{crystal}.nc", crystal=CRYSTALS),
    localrule: True


rule datasets:
    input:
        "<results>/datasets/manifest.json",
        expand("<results>/datasets/{domain}.nc", domain=CONFIG.used_domains()),
    localrule: True


rule train:
    input:
        per_run("<results>/models/{model}/{source}/{seed}"),
    localrule: True


rule evaluate:
    input:
        "<results>/metrics.csv",
        "<results>/limit.json",
        "<results>/claims.json",
    localrule: True


rule maps:
    input:
        of_experiments("<results>/maps/{experiment}"),
        MAPS,
        FIGURES_OF_MAPS,
    localrule: True


rule all:
    default_target: True
    input:
        "<results>/report.html",
        "<results>/summary.json",
        "<results>/structures/specimens.csv",
        REFERENCE_MODEL,
    localrule: True
