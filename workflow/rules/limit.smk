# What patterns can tell at most, models held against it, and the questions that the run answers.


rule compute_information:
    """Compute what a pattern can say of its class at most, from the scattering matrices."""
    input:
        matrices=expand("<results>/scattering/{crystal}.nc", crystal=LIMIT_CRYSTALS),
    output:
        nc=ensure("<results>/information.nc", non_empty=True),
    log:
        "<logs>/compute_information.log",
    benchmark:
        "<benchmarks>/compute_information.jsonl"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=grows(limit_mem_mb),
        runtime=grows(120),
    params:
        code=code_of("compute_information"),
        settings=limit_settings(CONFIG),
    script:
        "../scripts/compute_information.py"


rule compute_vector_bound:
    """Compute how exactly a displacement can be measured at most, from displaced crystals."""
    input:
        crystals=source_file("resources/crystals.yaml"),
    output:
        nc=ensure("<results>/vector_bound.nc", non_empty=True),
    log:
        "<logs>/compute_vector_bound.log",
    benchmark:
        "<benchmarks>/compute_vector_bound.jsonl"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=grows(vector_bound_mem_mb),
        runtime=grows(120),
        gpu=accuracy_gpus,
    params:
        code=code_of("compute_vector_bound"),
        settings=vector_bound_settings(CONFIG),
    script:
        "../scripts/compute_vector_bound.py"


rule compare_with_limit:
    """Hold the scores of every model against the information limit."""
    input:
        information="<results>/information.nc",
        vector_bound=VECTOR_BOUND,
        metrics="<results>/metrics.csv",
        predictions=rules.compute_metrics.input.predictions,
        config="<results>/config.resolved.yaml",
    output:
        json="<results>/limit.json",
    log:
        "<logs>/compare_with_limit.log",
    benchmark:
        "<benchmarks>/compare_with_limit.jsonl"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("compare_with_limit"),
    script:
        "../scripts/compare_with_limit.py"


rule answer_claims:
    """Answer the paper's claims and the benchmark's hypotheses, with intervals over crystals."""
    input:
        predictions=rules.compute_metrics.input.predictions,
        models=per_run("<results>/models/{model}/{source}/{seed}"),
        information="<results>/information.nc",
        config="<results>/config.resolved.yaml",
    output:
        json="<results>/claims.json",
    log:
        "<logs>/answer_claims.log",
    benchmark:
        "<benchmarks>/answer_claims.jsonl"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("answer_claims"),
    script:
        "../scripts/answer_claims.py"
