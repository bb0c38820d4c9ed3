"""Call a running app: complete a text, watch it grow, score a text, list the models.

    make app                                   # in another terminal
    python examples/call_app.py
    python examples/call_app.py --url USER/SPACE

Needs the package gradio_client, which comes with the extra `app`.
"""

from __future__ import annotations

import argparse

from gradio_client import Client


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Call the app's API.")
    parser.add_argument("--url", default="http://127.0.0.1:7860", help="an address, or a Space such as USER/SPACE")
    parser.add_argument("--prompt", default="To be, or ")
    arguments = parser.parse_args(argv)

    client = Client(arguments.url, verbose=False, analytics_enabled=False)

    for model in client.predict(api_name="/models"):
        print(f"--- model {model['name']}{' (default)' if model['default'] else ''}")

    # The whole text at once.
    done = client.predict(arguments.prompt, max_new_tokens=80, temperature=0.8, seed=7, api_name="/complete")
    print(f"--- {done['finish_reason']}, seed {done['seed']}\n{done['prompt']}{done['text']}")

    # As it grows: each update holds the whole text so far.
    for number, update in enumerate(client.submit(arguments.prompt, max_new_tokens=500, api_name="/complete"), start=1):
        print(f"--- update {number}: {len(update['text'])} characters")

    score = client.predict("Whether 'tis nobler in the mind to suffer", api_name="/score")
    print(f"--- {score['bpc']:.3f} bits per character over {score['characters']} characters")


if __name__ == "__main__":
    main()
