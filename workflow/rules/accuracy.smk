# What grid, field, windows, slices and phonons cost, beside the signal.


rule measure_accuracy:
    """Repeat crystals of the reference conditions with a better grid, field and so on."""
    input:
        crystals=source_file("resources/crystals.yaml"),
    output:
        json=ensure("<results>/accuracy.json", non_empty=True),
    log:
        "<logs>/measure_accuracy.log",
    benchmark:
        "<benchmarks>/measure_accuracy.jsonl"
    conda:
        "../../envs/simulate.yaml"
    threads: 1
    resources:
        mem_mb=grows(accuracy_mem_mb),
        runtime=grows(240),
        gpu=accuracy_gpus,
    params:
        code=code_of("measure_accuracy"),
        settings=accuracy_settings(CONFIG),
    script:
        "../scripts/measure_accuracy.py"
