# What grid, field, windows, slices and phonons cost, beside the signal.


rule measure_accuracy:
    """Repeat crystals of the reference conditions with a better grid, field and so on."""
    input:
        code=code_of(
            "measure_accuracy",
            "evaluate/summary/simulation_accuracy.py",
            "evaluate/summary/entries.py",
            "simulate/abtem_settings.py",
            "simulate/microscope/camera.py",
            "simulate/microscope/coherence.py",
            "simulate/microscope/noise.py",
            "simulate/microscope/optics.py",
            "simulate/parallel.py",
            "simulate/potential",
            "simulate/scattering_matrix/equivalent.py",
            "simulate/scattering_matrix/loops.py",
            "simulate/scattering_matrix/matrix.py",
            "simulate/scattering_matrix/measure.py",
            "simulate/scattering_matrix/plane_wave_multislice.py",
            "simulate/scattering_matrix/propagate.py",
            "simulate/wave",
            "structures",
        ),
        crystals=source_files("resources/crystals.yaml"),
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
        mem_mb=accuracy_mem_mb,
        runtime="4h",
        gpu=accuracy_gpus,
    params:
        settings=accuracy_settings(CONFIG),
    script:
        "../scripts/measure_accuracy.py"
