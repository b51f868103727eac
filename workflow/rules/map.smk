# Scans are mapped, and maps of known truth are scored.


rule compute_library:
    """Simulate the patterns that tell thickness and tilt of a scan for the recommended model."""
    input:
        code=code_of("compute_library", "simulate", "structures"),
        crystals=source_files("resources/crystals.yaml"),
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
        mem_mb=3000,
        runtime="1h",
    params:
        settings=recommended_library(),
    script:
        "../scripts/compute_library.py"


rule map_defect_free:
    """Map a defect-free virtual experiment that anomaly scores are calibrated on."""
    input:
        code=code_of("map_defect_free", "scans", "maps"),
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
        mem_mb=2000,
        runtime="1h",
    script:
        "../scripts/map_defect_free.py"


rule calibrate_anomaly:
    """Learn from defect-free maps how much unit cells differ."""
    input:
        code=code_of("calibrate_anomaly", "maps"),
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
        mem_mb=4000,
        runtime="1h",
    script:
        "../scripts/calibrate_anomaly.py"


rule map_scan:
    """Map the polarization directions of a scan with the recommended model."""
    input:
        code=code_of(
            "map_scan", "scans", "maps", "report/figures", "report/map_page.py"
        ),
        page=templates_of_report(),
        model="<results>/reference_model",
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
        mem_mb=2500,
        runtime="4h",
    params:
        sheet=sheet_settings,
        force=is_forced,
    script:
        "../scripts/map_scan.py"


rule summarise_maps:
    """Score the maps whose truth is known, and collect what all of them say."""
    input:
        code=code_of("summarise_maps", "evaluate", "maps/anomaly.py"),
        maps=of_experiments("<results>/maps/{experiment}"),
        truths=of_mapped_scenes("<results>/scans/{experiment}.truth.nc"),
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
        mem_mb=2000,
        runtime="30m",
    params:
        confidence=CONFIG.evaluate.confidence,
        reality=factors_of_reality(),
    script:
        "../scripts/summarise_maps.py"


rule draw_maps:
    """Draw the maps of all experiments side by side, with the truth where it is known."""
    input:
        code=code_of("draw_maps", "report/figures", "report/map_files.py"),
        maps=of_experiments("<results>/maps/{experiment}"),
        truths=of_mapped_scenes("<results>/scans/{experiment}.truth.nc"),
    output:
        png=annotated("<results>/figures/maps.png", "maps", "3 Evaluation"),
    log:
        "<logs>/draw_maps.log",
    benchmark:
        "<benchmarks>/draw_maps.jsonl"
    conda:
        "../../envs/map.yaml"
    threads: 1
    resources:
        mem_mb=2000,
        runtime="10m",
    script:
        "../scripts/draw_maps.py"


rule draw_reality:
    """Draw what maps are worth where crystals are not ideal."""
    input:
        code=code_of(
            "draw_reality",
            "report/figures",
            "report/reality_panel.py",
            "evaluate/map_scores/reality_ladder.py",
        ),
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
        mem_mb=1000,
        runtime="10m",
    script:
        "../scripts/draw_reality.py"
