"""The commands `plot` and `recipes`."""

from pipelines.commands import options
from pipelines.commands import search as searching
from pipelines.commands.translation_lines import truncation
from pipelines.search_options import SearchOptions
from pipelines.terminal import output_console, say, show_line


def plot(
    folder: options.RunFolder,
    text: options.Text,
    out: options.PicturePath,
    beam_size: searching.BeamSize = None,
) -> None:
    """Draw what the model looked at while it translated a sentence.

    \b
    keras-attention plot runs/demo --text "Il pleut." --out rain.png
    """
    from pipelines.plots.heat_map import picture_format, save_alignment

    picture_format(out)
    how = SearchOptions(beam_size=beam_size)
    run = options.load_run(folder)
    names = run.recipe.data
    [translation] = run.translate([text], how)
    save_alignment(
        translation, out, names.source_language, names.target_language
    )
    show_line(translation.text)
    if translation.truncated:
        say(truncation(1, names.max_source_len))
    say(f"The picture is {out}.")


def list_recipes() -> None:
    """List the recipes that come along, and all keys of a recipe.

    \b
    keras-attention recipes | less
    """
    from pipelines.commands.listing import print_recipes

    print_recipes(output_console())
