# Scans are mapped, and maps of known truth are scored.


rule compute_library:
    """Simulate the patterns that tell thickness and tilt of a scan for the recommended model."""
    input:
        crystals=source_file("resources/crystals.yaml"),
    output:
        nc=ensure("<results>/library.nc", non_empty=True),
    log:
        "<logs>/compute_library.log",
    benchmark:
        "<benchmarks>/compute_library.jsonl"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=grows(3000),
        runtime=grows(60),
    params:
        code=code_of("compute_library"),
        settings=recommended_library(),
    script:
        "../scripts/compute_library.py"


rule map_defect_free:
    """Map a defect-free virtual experiment that anomaly scores are calibrated on."""
    input:
        model=of_recommended("<results>/models/{model}/{source}/{seed}"),
        library="<results>/library.nc",
        scan="<results>/scans/{scene}.hspy",
        sheet="<results>/scans/{scene}.yaml",
    output:
        map=directory("<results>/defect_free/{scene}"),
    log:
        "<logs>/map_defect_free/{scene}.log",
    benchmark:
        "<benchmarks>/map_defect_free/{scene}.jsonl"
    conda:
        "../../envs/map.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(60),
    params:
        code=code_of("map_defect_free", recommended_model),
    script:
        "../scripts/map_defect_free.py"


rule calibrate_anomaly:
    """Learn from defect-free maps how much unit cells differ."""
    input:
        model=of_recommended("<results>/models/{model}/{source}/{seed}"),
        maps=defect_free("<results>/defect_free/{scene}"),
    output:
        npz=ensure("<results>/anomaly.npz", non_empty=True),
    log:
        "<logs>/calibrate_anomaly.log",
    benchmark:
        "<benchmarks>/calibrate_anomaly.jsonl"
    conda:
        "../../envs/map.yaml"
    threads: 1
    resources:
        mem_mb=grows(4000),
        runtime=grows(60),
    params:
        code=code_of("calibrate_anomaly", recommended_model),
    script:
        "../scripts/calibrate_anomaly.py"


rule gather_mapping_model:
    """Put what mapping needs into one folder: the recommended model, library and anomalies."""
    input:
        model=of_recommended("<results>/models/{model}/{source}/{seed}"),
        beside=["<results>/library.nc", *ANOMALY],
    output:
        model=directory("<results>/mapping_model"),
    log:
        "<logs>/gather_mapping_model.log",
    benchmark:
        "<benchmarks>/gather_mapping_model.jsonl"
    conda:
        "../../envs/map.yaml"
    threads: 1
    resources:
        mem_mb=grows(500),
        runtime=grows(10),
    params:
        code=code_of("gather_mapping_model"),
    script:
        "../scripts/gather_mapping_model.py"


rule map_scan:
    """Map the polarization directions of a scan with the recommended model."""
    input:
        page=templates_of_report(),
        model="<results>/mapping_model",
        scan=scan_of_experiment,
        sheet=sheet_of_experiment,
    output:
        map=directory("<results>/maps/{experiment}"),
    log:
        "<logs>/map_scan/{experiment}.log",
    benchmark:
        "<benchmarks>/map_scan/{experiment}.jsonl"
    conda:
        "../../envs/map.yaml"
    threads: 2
    resources:
        mem_mb=grows(2500),
        runtime=grows(240),
    params:
        code=code_of("map_scan", recommended_model),
        sheet=sheet_settings,
        force=is_forced,
    script:
        "../scripts/map_scan.py"


rule summarise_maps:
    """Score the maps whose truth is known, and collect what all of them say."""
    input:
        maps=of_experiments("<results>/maps/{experiment}"),
        truths=of_mapped_scenes("<results>/scans/{experiment}.truth.nc"),
        displacements=of_fitted_maps("<results>/displacements/{experiment}"),
    output:
        json="<results>/maps.json",
    log:
        "<logs>/summarise_maps.log",
    benchmark:
        "<benchmarks>/summarise_maps.jsonl"
    conda:
        "../../envs/map.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(30),
    params:
        code=code_of("summarise_maps"),
        confidence=CONFIG.evaluate.confidence,
        reality=factors_of_reality(),
    script:
        "../scripts/summarise_maps.py"


rule draw_maps:
    """Draw the maps of all experiments side by side, with the truth where it is known."""
    input:
        maps=of_experiments("<results>/maps/{experiment}"),
        truths=of_mapped_scenes("<results>/scans/{experiment}.truth.nc"),
    output:
        png=annotated("<results>/figures/maps.png", "maps", "3 Evaluation"),
        first="<results>/figures/first_map.png",
    log:
        "<logs>/draw_maps.log",
    benchmark:
        "<benchmarks>/draw_maps.jsonl"
    conda:
        "../../envs/map.yaml"
    threads: 1
    resources:
        mem_mb=grows(2000),
        runtime=grows(10),
    params:
        code=code_of("draw_maps"),
    script:
        "../scripts/draw_maps.py"


rule draw_reality:
    """Draw what maps are worth where crystals are not ideal."""
    input:
        scores="<results>/maps.json",
    output:
        png=annotated("<results>/figures/reality.png", "reality", "3 Evaluation"),
        svg="<results>/figures/reality.svg",
    log:
        "<logs>/draw_reality.log",
    benchmark:
        "<benchmarks>/draw_reality.jsonl"
    conda:
        "../../envs/map.yaml"
    threads: 1
    resources:
        mem_mb=grows(1000),
        runtime=grows(10),
    params:
        code=code_of("draw_reality"),
    script:
        "../scripts/draw_reality.py"
