from snakemake.utils import min_version

min_version("9.20")


include: "workflow/rules/config.smk"
include: "workflow/rules/scheduler.smk"
include: "workflow/rules/start.smk"


pathvars:
    benchmarks="<results>/benchmarks",


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/structures.smk"
include: "workflow/rules/simulate.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/displacements.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/accuracy.smk"
include: "workflow/rules/limit.smk"
include: "workflow/rules/scenes.smk"
include: "workflow/rules/map.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/targets.smk"


wildcard_constraints:
    specimen=one_of(SPECIMENS),
    domain=one_of(CONFIG.used_domains()),
    model=one_of(CONFIG.used_models()),
    adapted=one_of(ADAPTATIONS),
    source=one_of(CONFIG.used_sources()),
    seed=r"\d+",
    scene=one_of(SCENES),
    experiment=one_of(CONFIG.mapped()),


rule all:
    default_target: True
    input:
        "<results>/report.html",
        "<results>/summary.json",
        "<results>/structures/specimens.csv",
        REFERENCE_MODEL,
    localrule: True
