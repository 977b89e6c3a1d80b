"""Titles in another language are told from English ones, and English ones with a foreign word in them stay English."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from jobmajor.model.rules import languages
from jobmajor.titles import normalise

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from jobmajor.data.onet import Tables

OTHER = [
    *("Enfermera registrada", "Director de ventas", "Camarera", "Ingeniero de Servicio", "Auxiliar administrativo"),
    *("Infirmière", "Comptable", "Secrétaire médicale", "Vendeur en magasin", "Conseiller clientèle"),
    *(
        "Krankenschwester",
        "Verkäuferin",
        "Leiter Vertrieb",
        "Sachbearbeiter Buchhaltung",
        "Ingenieurin für Maschinenbau",
    ),
    *("Enfermeira", "Motorista de caminhão", "Gerente de vendas", "Advogada", "Assistente administrativo"),
    *("Infermiere", "Cameriera", "Ingegnere meccanico", "Responsabile vendite", "Autista di camion"),
]
ENGLISH = [
    *("Chef de Cuisine", "Chef de Partie", "Maître d'Hôtel", "Sous Chef", "Au Pair", "Las Vegas Dealer", "De-icer"),
    *("Des Moines Police Officer", "Spanish Teacher", "Chauffeur", "Concierge", "Fur Farmer", "Barista", "Sommelier"),
    *("Registered Nurse", "Director", "Conductor", "Koch Foods Supervisor", "La Jolla Nurse Manager", "Professor"),
]


@pytest.mark.parametrize("title", OTHER)
def test_title_of_another_language_is_told_by_its_words(title: str) -> None:
    assert languages.is_other(normalise(title))


@pytest.mark.parametrize("title", [*ENGLISH, "", "de", "de la"])
def test_english_title_with_a_foreign_word_or_name_stays_english(title: str) -> None:
    assert not languages.is_other(normalise(title))


def test_words_are_as_they_are_normalised_and_none_is_a_link() -> None:
    assert {word for word in languages.WORDS | languages.LINKS if normalise(word) != word} == set()
    assert languages.WORDS.isdisjoint(languages.LINKS)


def test_no_starter_title_has_one_of_the_words(starter: Tables) -> None:
    words = {word for title in starter.titles["title"] for word in normalise(title).split()}

    assert words.isdisjoint(languages.WORDS)


@pytest.mark.long
@pytest.mark.parametrize("name", ["h2b_2014_2017.csv", "h2a_2014.csv", "chicago_payroll.csv", "esco_half.csv"])
def test_hardly_an_english_title_of_a_register_is_doubted(name: str, shared: Callable[[str], Path]) -> None:
    titles = pl.read_csv(shared(f"data/external/{name}"))["title"].unique().to_list()

    found = [title for title in titles if languages.is_other(normalise(title))]

    assert len(found) < 0.001 * len(titles) + 1, found  # one of them is Spanish: "Ingeniero de Servicio"
