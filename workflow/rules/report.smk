# Figures and the one-page report.
from polarstem.config.examples import example_domains
from polarstem.report import FIGURES

# what `make bench` left: on the page if it is there, never made for it
BENCH = [
    path
    for path in map(
        workflow.pathvars.apply,
        (
            "<results>/bench.json",
            "<results>/bench/scaling.svg",
            "<results>/bench/error_time.svg",
        ),
    )
    if Path(path).exists()
]


rule write_reference_model:
    """Copy the model that maps and write its card; needs no other model."""
    input:
        model="<results>/mapping_model",
        predictions=of_recommended("<results>/predictions/{model}/{source}/{seed}.nc"),
        manifest="<results>/datasets/manifest.json",
        config="<results>/config.resolved.yaml",
    output:
        model=directory("<results>/reference_model"),
    log:
        "<logs>/write_reference_model.log",
    benchmark:
        "<benchmarks>/write_reference_model.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code_of("write_reference_model"),
    script:
        "../scripts/write_reference_model.py"


rule draw_figures:
    """Draw every figure of the report."""
    input:
        structures="<results>/structures/specimens",
        examples=expand(
            "<results>/datasets/{domain}.nc", domain=example_domains(CONFIG)
        ),
        models=per_run("<results>/models/{model}/{source}/{seed}"),
        predictions=per_run("<results>/predictions/{model}/{source}/{seed}.nc"),
        metrics="<results>/metrics.csv",
        confusion="<results>/confusion.nc",
        summary="<results>/summary.json",
        information="<results>/information.nc",
        vector_bound=VECTOR_BOUND,
        displacements=DISPLACEMENTS,
        config="<results>/config.resolved.yaml",
    output:
        **figure_outputs(FIGURES),
    log:
        "<logs>/draw_figures.log",
    benchmark:
        "<benchmarks>/draw_figures.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=grows(30),
    params:
        code=code_of("draw_figures"),
        drawn=reference_specimens(),
    script:
        "../scripts/draw_figures.py"


rule write_report:
    """Write the self-contained HTML page."""
    input:
        template=templates_of_report(),
        figures=rules.draw_figures.output,
        maps=FIGURES_OF_MAPS,
        summary="<results>/summary.json",
        metrics="<results>/metrics.csv",
        config="<results>/config.resolved.yaml",
        bench=BENCH,
    output:
        html=report(
            "<results>/report.html",
            caption="../report/report.rst",
            category="0 Report",
            labels={"page": "the whole story"},
        ),
    log:
        "<logs>/write_report.log",
    benchmark:
        "<benchmarks>/write_report.jsonl"
    conda:
        "../../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code_of("write_report"),
        warnings=WARNINGS,
    script:
        "../scripts/write_report.py"
