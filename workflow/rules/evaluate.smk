# Predictions of every model on every tested data domain, their scores, and the summary.


rule predict_patterns:
    """Predict the test patterns of all tested data domains with one model."""
    input:
        model="<results>/models/{model}/{source}/{seed}",
        datasets=tested_datasets(),
    output:
        # what is answered already is taken over from the file
        nc=update(
            ensure("<results>/predictions/{model}/{source}/{seed}.nc", non_empty=True)
        ),
    log:
        "<logs>/predict_patterns/{model}/{source}/{seed}.log",
    benchmark:
        "<benchmarks>/predict_patterns/{model}/{source}/{seed}.jsonl"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=grows(240),
    params:
        code=code_of("predict_patterns", model_of_run),
    script:
        "../scripts/predict_patterns.py"


rule adapt_predictions:
    """Predict test patterns with a model that is fitted to each unlabelled scan."""
    input:
        model=model_to_adapt,
        datasets=datasets_to_adapt_to,
        # what the model was trained on, to calibrate what becomes of it
        sources=datasets_of_source,
        matrices=matrices_of_source,
    output:
        nc=ensure("<results>/predictions/{adapted}/{source}/{seed}.nc", non_empty=True),
    log:
        "<logs>/adapt_predictions/{adapted}/{source}/{seed}.log",
    benchmark:
        "<benchmarks>/adapt_predictions/{adapted}/{source}/{seed}.jsonl"
    conda:
        "../../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=grows(240),
    params:
        code=code_of("adapt_predictions", model_of_run),
        adaptation=adaptation_settings,
        stream=stream_of_source,
        class_names=class_names(),
        class_directions=class_directions(),
        seed=CONFIG.seed,
    script:
        "../scripts/adapt_predictions.py"


rule compute_metrics:
    """Score every model on every data domain, with intervals over crystals."""
    input:
        predictions=per_run("<results>/predictions/{model}/{source}/{seed}.nc")
        + per_adapted_run("<results>/predictions/{model}/{source}/{seed}.nc"),
        # no score before it is known that nothing leaked; training does not wait for it
        manifest="<results>/datasets/manifest.json",
    output:
        csv=report(
            "<results>/metrics.csv",
            caption="../report/metrics.rst",
            category="3 Evaluation",
            labels={"table": "scores"},
        ),
        confusion="<results>/confusion.nc",
    log:
        "<logs>/compute_metrics.log",
    benchmark:
        "<benchmarks>/compute_metrics.jsonl"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        code=code_of("compute_metrics"),
        confidence=CONFIG.evaluate.confidence,
        controls=list(CONFIG.evaluate.controls),
        crystals=independent_crystals(CONFIG),
        seed=CONFIG.seed,
    script:
        "../scripts/compute_metrics.py"


rule resolve_config:
    """Write down the whole configuration, defaults included."""
    output:
        yaml=report(
            "<results>/config.resolved.yaml",
            caption="../report/config.rst",
            category="4 Resources",
            labels={"table": "configuration"},
        ),
    log:
        "<logs>/resolve_config.log",
    localrule: True
    conda:
        "../../envs/evaluate.yaml"
    params:
        config=CONFIG.model_dump(mode="json"),
    script:
        "../scripts/resolve_config.py"


rule summarise_results:
    """Collect the headline numbers that the report is drawn from."""
    input:
        metrics="<results>/metrics.csv",
        confusion="<results>/confusion.nc",
        limit="<results>/limit.json",
        claims="<results>/claims.json",
        accuracy="<results>/accuracy.json",
        manifest="<results>/datasets/manifest.json",
        maps=MAPS,
        displacements=DISPLACEMENTS,
        config="<results>/config.resolved.yaml",
        models=per_run("<results>/models/{model}/{source}/{seed}"),
    output:
        json=report(
            "<results>/summary.json",
            caption="../report/summary.rst",
            category="3 Evaluation",
            labels={"table": "headline numbers"},
        ),
    log:
        "<logs>/summarise_results.log",
    benchmark:
        "<benchmarks>/summarise_results.jsonl"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code_of("summarise_results"),
        benchmarks=benchmarks_folder,
    script:
        "../scripts/summarise_results.py"
