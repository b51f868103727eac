# Parts of the workflow by name: `snakemake --cores 8 train`.


rule simulate:
    input:
        expand(
            "<results>/simulations/{specimen}.nc",
            specimen=specimens_of_engine("multislice"),
        ),
        expand("<results>/scattering/{crystal}.nc", crystal=CRYSTALS),
    localrule: True


rule datasets:
    input:
        "<results>/datasets/manifest.json",
        expand("<results>/datasets/{domain}.nc", domain=CONFIG.used_domains()),
    localrule: True


rule train:
    input:
        per_run("<results>/models/{model}/{source}/{seed}"),
    localrule: True


rule evaluate:
    input:
        "<results>/metrics.csv",
        "<results>/limit.json",
        "<results>/claims.json",
    localrule: True


rule maps:
    input:
        of_experiments("<results>/maps/{experiment}"),
        MAPS,
        FIGURES_OF_MAPS,
    localrule: True
