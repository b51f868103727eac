# Virtual experiments: scenes are built and scanned, the truth apart.


rule simulate_scene:
    """Build a scene, scan it by multislice and write what a detector would; the truth apart."""
    input:
        crystals=source_file("resources/crystals.yaml"),
    output:
        structure="<results>/scenes/{scene}.xyz",
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
        mem_mb=grows(scene_mem_mb),
        runtime=grows(240),
    params:
        code=code_of("simulate_scene"),
        scene=scene_settings,
        settings=scan_settings,
    script:
        "../scripts/simulate_scene.py"
