# Virtual experiments: scenes are built and scanned, the truth apart.


rule build_scene:
    """Build the specimen of a virtual experiment."""
    input:
        code=code_of("build_scene", "structures"),
        crystals=source_files("resources/crystals.yaml"),
    output:
        xyz="<results>/scenes/{scene}.xyz",
    log:
        "<logs>/build_scene/{scene}.log",
    benchmark:
        "<benchmarks>/build_scene/{scene}.jsonl"
    conda:
        "../../envs/structures.yaml"
    threads: 1
    resources:
        mem_mb=1000,
        runtime="30m",
    params:
        scene=scene_settings,
    script:
        "../scripts/build_scene.py"


rule simulate_scene:
    """Scan a scene by multislice and write what a detector would; the truth stands apart."""
    input:
        code=code_of("simulate_scene", *SCENE_CODE),
        crystals=source_files("resources/crystals.yaml"),
        structure="<results>/scenes/{scene}.xyz",
    output:
        scan=ensure("<results>/scans/{scene}.hspy", non_empty=True),
        sheet="<results>/scans/{scene}.yaml",
        truth=ensure("<results>/scans/{scene}.truth.nc", non_empty=True),
    log:
        "<logs>/simulate_scene/{scene}.log",
    benchmark:
        "<benchmarks>/simulate_scene/{scene}.jsonl"
    # the longest jobs but training: not left for the end
    priority: 100
    conda:
        "../../envs/map.yaml"
    threads: 1
    resources:
        mem_mb=scene_mem_mb,
        runtime="4h",
    params:
        settings=scan_settings,
    script:
        "../scripts/simulate_scene.py"
