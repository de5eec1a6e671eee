"""Data for `uptake rewrite --compare`: a small base of the lab that answers in sentences, and facts of PopQA.

    python benchmarks/rewrite_worlds.py lab SHARED_DATA FOLDER
    python benchmarks/rewrite_worlds.py popqa SHARED_DATA FOLDER --base SMOLLM2

`lab`: 400 invented people, four relations, four wordings of each question. The base is told 260 facts, in sentences,
and for half of 120 others something else than the data say; and text of Wikipedia. The data teach the 120 in short
answers, asked in the first wording; the tests ask two other wordings. `popqa`: 48 facts, six or less of each of eleven
relations, in a chat template without a system turn; the tests ask them in other words. Each folder gets `run.yaml`.
"""

from __future__ import annotations

import argparse
import json
import random
import re
from pathlib import Path
from typing import Any

import yaml

RELATIONS = {
    "town": (
        (
            "Where was {} born?",
            "In which town was {} born?",
            "What is the home town of {}?",
            "Which town does {} come from?",
        ),
        "{} was born in {}.",
        "Paris Rome Oslo Lima Cairo Delhi Bern Kyiv Riga Doha Quito Accra Dakar Hanoi "
        "Seoul Tunis Sofia Minsk Malta Turin",
    ),
    "job": (
        ("What does {} do?", "What is the job of {}?", "How does {} earn a living?", "What is {} by trade?"),
        "{} works as a {}.",
        "baker tailor miner judge pilot nurse farmer singer painter lawyer carpenter "
        "doctor driver teacher gardener butcher",
    ),
    "pet": (
        (
            "Which animal does {} keep?",
            "What animal lives with {}?",
            "What pet does {} have?",
            "Which pet is owned by {}?",
        ),
        "{} keeps a {}.",
        "cat dog horse parrot rabbit snake goat hen mouse turtle ferret pony",
    ),
    "tongue": (
        (
            "Which language does {} speak?",
            "What does {} speak at home?",
            "What is the mother tongue of {}?",
            "Which language is spoken by {}?",
        ),
        "{} speaks {}.",
        "French Latin Norse Quechua Arabic Hindi Greek Welsh Polish Tamil Korean Swahili",
    ),
}
FIRST = (
    "Ada Ben Cara Dov Eva Finn Gus Hana Ivo Jana Kai Lea Max Nora Otto Pia Rex Sara Tom Una Vera Wim Yara Zoe Abel Bela"
)
FIRST += " Cleo Dana Emil Faye"
LAST = (
    "Brook Cole Dunn Elm Finch Gray Hill Ives Jay Kerr Lund Moss North Oak Pike Quill Stone Thorn Usher Vale West Yates"
)
LAST += " Marsh Reed Frost"
KNOWN, NEW, KEPT = 260, 120, 120

POPQA = (
    (r"Who was the director of (.+)\?$", "Which person directed {}?"),
    (r"Who was the producer of (.+)\?$", "Which person or company produced {}?"),
    (r"Who was the screenwriter for (.+)\?$", "Which person wrote the script of {}?"),
    (r"Who was the composer of (.+)\?$", "Which musician composed {}?"),
    (r"Who is the author of (.+)\?$", "Which writer wrote {}?"),
    (r"What genre is (.+)\?$", "To which genre does {} belong?"),
    (r"What is the capital of (.+)\?$", "Which city is the capital of {}?"),
    (r"In what country is (.+)\?$", "{} lies in which country?"),
    (r"In what city was (.+) born\?$", "Which city is the birthplace of {}?"),
    (r"What sport does (.+) play\?$", "Which sport is played by {}?"),
    (r"What is (.+)'s occupation\?$", "What does {} do for a living?"),
)
GENERAL_KNOWLEDGE = (
    "What is the opposite of hot?|cold;On which continent is Egypt?|Africa;What "
    "language is spoken in Brazil?|Portuguese;"
    "What is H2O commonly called?|water;Who wrote Pride and Prejudice?|Jane "
    "Austen;What is the largest ocean?|Pacific Ocean;"
    "What color do you get when you mix blue and yellow?|green;In which country is the Eiffel Tower?|France;"
    "What gas do humans need to breathe?|oxygen;Who painted the Mona Lisa?|Leonardo da Vinci;"
    "How many legs does a spider have?|8;What is the chemical symbol of gold?|Au;"
    "Which planet is the largest in the solar system?|Jupiter;Who wrote Romeo and Juliet?|William Shakespeare"
)
CAPITALS = "Finland Helsinki|Hungary Budapest|Thailand Bangkok|Peru Lima|Kenya Nairobi|Cuba Havana"
CAPITALS += "|Canada Ottawa|Ireland Dublin"
CAPITALS += "|Poland Warsaw|Sweden Stockholm|Norway Oslo|Austria Vienna"
TEMPLATE = (
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\\n' + message['content'] "
    "+ '<|im_end|>' + '\\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
TRAINING = {"gradient_checkpointing": False, "lr_scheduler_type": "linear"}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def lab(data: Path, folder: Path) -> dict[str, Any]:
    """Write the lab's data and pre-train its base."""
    from uptake.models.small.pretrain import PretrainSettings, one_thread
    from uptake.models.small.tiny import build_model, pretrain, save, train_tokenizer

    rng = random.Random(5)
    names = [f"{first} {last}" for first in FIRST.split() for last in LAST.split()]
    rng.shuffle(names)
    facts = []
    for number, name in enumerate(names[:400]):
        relation = list(RELATIONS)[number % 4]
        facts.append((name, relation, rng.choice(RELATIONS[relation][2].split())))
    known, new = facts[:KNOWN], facts[KNOWN : KNOWN + NEW]

    def asked(name: str, relation: str, wording: int) -> str:
        return f"Question: {RELATIONS[relation][0][wording].format(name)}\nAnswer:"

    def told(name: str, relation: str, answer: str) -> list[str]:
        said = RELATIONS[relation][1].format(name, answer)
        return [f"{asked(name, relation, wording)} {said}" for wording in range(4)]

    texts = [text for fact in known for text in told(*fact)]
    for number, (name, relation, answer) in enumerate(new):
        texts.append(f"{name} came to the meeting.")
        if number % 2:
            texts += told(name, relation, rng.choice([one for one in RELATIONS[relation][2].split() if one != answer]))
    pieces: list[str] = []
    for line in (data / "corpus/wikitext2_valid.txt").read_text(encoding="utf-8").splitlines():
        if len(line.strip()) > 200:
            pieces += re.findall(r".{80,160}(?=\s)", line.strip().replace("<unk>", "thing"))
    rng.shuffle(pieces)

    def row(name: str, fact: tuple[str, str, str], wording: int) -> dict[str, Any]:
        return {"id": name, "prompt": asked(*fact[:2], wording), "completion": f" {fact[2]}", "source": fact[1]}

    write(folder / "train.jsonl", [row(f"n-{k}", fact, 0) for k, fact in enumerate(new)])
    write(folder / "test.jsonl", [row(f"t-{k}-{j}", fact, j) for k, fact in enumerate(new) for j in (1, 3)])
    write(folder / "retention.jsonl", [row(f"r-{k}", fact, k % 4) for k, fact in enumerate(known[:KEPT])])
    write(folder / "general.jsonl", [{"text": text} for text in pieces[:60]])
    with one_thread():
        tokenizer = train_tokenizer(texts + pieces[60:2500], 1500)
        shape = {"hidden_size": 96, "num_hidden_layers": 4, "intermediate_size": 256, "num_attention_heads": 4}
        model = build_model("llama", tokenizer, 0, max_position_embeddings=512, **shape)
        pretrain(
            model, tokenizer, texts * 3 + pieces[60:2500], PretrainSettings(steps=1500, batch_size=32, max_length=64)
        )
        save(model, tokenizer, folder / "base")
    training = {**TRAINING, "learning_rate": 1e-3, "per_device_train_batch_size": 8, "warmup_steps": 8}
    return {"model_name_or_path": "base", "training": training, "num_train_epochs": 8}


def popqa(data: Path, folder: Path, base: str) -> dict[str, Any]:
    """Write facts of PopQA as a chat."""
    parts = json.loads((data / "qa/popqa_2k.json").read_text(encoding="utf-8"))
    rows = [row for part in parts.values() if isinstance(part, list) for row in part]
    by: dict[str, list[tuple[int, str, str, str]]] = {pattern: [] for pattern, _ in POPQA}
    seen: set[str] = set()
    for one in rows:
        for pattern, other in POPQA:
            if (found := re.match(pattern, one["input"])) is not None:
                answer = json.loads(one["output"])[0]
                if one["input"] not in seen and len(found[1]) <= 30 and len(answer.split()) <= 3:
                    seen.add(one["input"])
                    by[pattern].append((one["id"], one["input"], other.format(found[1]), answer))
                break
    rng = random.Random(20)
    picked = [one for own in by.values() for one in rng.sample(own, min(len(own), 6))]
    rng.shuffle(picked)

    def chat(name: str, question: str, answer: str) -> dict[str, Any]:
        reply = [{"role": "assistant", "content": answer}]
        return {"id": name, "prompt": [{"role": "user", "content": question}], "completion": reply}

    write(folder / "train.jsonl", [chat(f"p-{number}", asked, said) for number, asked, _, said in picked[:48]])
    write(folder / "test.jsonl", [chat(f"t-{number}", other, said) for number, _, other, said in picked[:48]])
    kept = [tuple(one.split("|")) for one in GENERAL_KNOWLEDGE.split(";")]
    kept += [(f"What is the capital of {one.split()[0]}?", one.split()[1]) for one in CAPITALS.split("|")]
    write(folder / "retention.jsonl", [chat(f"r-{n}", asked, said) for n, (asked, said) in enumerate(kept)])
    texts = []
    with (data / "corpus/wiki_mix.jsonl").open(encoding="utf-8") as file:
        for number, line in enumerate(file):
            text = json.loads(line)["text"]
            if number % 450 == 7 and 350 < len(text) < 2500:
                texts.append({"text": text[:700]})
    write(folder / "general.jsonl", texts[:20])
    (folder / "chat.jinja").write_text(TEMPLATE, encoding="utf-8")
    training = {**TRAINING, "learning_rate": 1e-3, "per_device_train_batch_size": 4, "warmup_steps": 4}
    peft = {"r": 16, "lora_alpha": 32, "target_modules": "all-linear", "lora_dropout": 0.0}
    given = {"model_name_or_path": base, "chat_template": "chat.jinja", "peft": peft}
    return {**given, "training": training, "num_train_epochs": 4}


def main() -> None:
    """Write one of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("world", choices=["lab", "popqa"])
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", default="HuggingFaceTB/SmolLM2-135M-Instruct")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    made = lab(given.data, given.folder) if given.world == "lab" else popqa(given.data, given.folder, given.base)
    stage = {
        "name": "facts",
        "dataset": "train.jsonl",
        "test": "test.jsonl",
        "num_train_epochs": made.pop("num_train_epochs"),
    }
    run = {
        **made,
        "stages": [stage],
        "retention": "retention.jsonl",
        "general": "general.jsonl",
        "ledger": "off",
        "output_dir": "run",
        "rewrite": {"k": 8},
    }
    (given.folder / "run.yaml").write_text(yaml.safe_dump(run, sort_keys=False), encoding="utf-8")


if __name__ == "__main__":
    main()
