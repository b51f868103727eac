# Displacements of test specimens and of maps are fitted, and held against the true ones.


rule fit_displacements:
    """Fit the displacements of the test specimens of one data domain."""
    input:
        dataset="<results>/datasets/{domain}.nc",
        library="<results>/library.nc",
        crystals=source_file("resources/crystals.yaml"),
    output:
        nc=ensure("<results>/displacements/{domain}.nc", non_empty=True),
    log:
        "<logs>/fit_displacements/{domain}.log",
    benchmark:
        "<benchmarks>/fit_displacements/{domain}.jsonl"
    conda:
        "../../envs/train.yaml"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(240),
    params:
        code=code_of("fit_displacements"),
        trained_for=microscope_of_displacements(),
        positions=positions_of_displacements(),
    script:
        "../scripts/fit_displacements.py"


rule map_displacements:
    """Fit the displacements of the unit cells of a map."""
    input:
        page=templates_of_report(),
        map="<results>/maps/{experiment}",
        model="<results>/mapping_model",
        crystals=source_file("resources/crystals.yaml"),
    output:
        displacements=directory("<results>/displacements/{experiment}"),
    log:
        "<logs>/map_displacements/{experiment}.log",
    benchmark:
        "<benchmarks>/map_displacements/{experiment}.jsonl"
    conda:
        "../../envs/map.yaml"
    threads: 2
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        code=code_of("map_displacements"),
    script:
        "../scripts/map_displacements.py"


rule score_displacements:
    """Hold fitted displacements of test specimens against the true ones."""
    input:
        fitted=of_displacements("<results>/displacements/{domain}.nc"),
    output:
        json=ensure("<results>/displacements.json", non_empty=True),
    log:
        "<logs>/score_displacements.log",
    benchmark:
        "<benchmarks>/score_displacements.jsonl"
    conda:
        "../../envs/evaluate.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code_of("score_displacements"),
        domains=of_displacements("{domain}"),
        apart=domains_apart(),
        truth=jobs.true_vectors(CONFIG),
        confidence=CONFIG.evaluate.confidence,
    script:
        "../scripts/score_displacements.py"
