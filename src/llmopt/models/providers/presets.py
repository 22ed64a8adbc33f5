"""Hosts and servers by name, for models called ``groq/…``, ``ollama/…`` and so on.

A preset is a base URL, the name of the variable that holds the key, and the quirks of that
host; nothing else. The values were taken from the documentation of the providers and of clients
that talk to them, and none was tried on a live host; the seed fields of Groq, vLLM, SGLang, LM
Studio and llama.cpp, and the raw completions of SGLang and llama.cpp, follow the usual form of
this interface. Hosts change: ``llmopt models test NAME`` says what one does today, and a base
URL or the variable of a key that is given beats the preset's.

What a family of models wants, wherever it is hosted, stands in
`llmopt.models.providers.openai_wire`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from llmopt.models.providers.openai_wire import Dialect, dialect_of


@dataclass(frozen=True, slots=True)
class Preset:
    """An OpenAI-compatible host or server.

    Attributes:
        name: First part of a model's name.
        what: The host as people call it.
        base_url: Where its API begins; empty where every user has another.
        key_variable: Environment variable that holds the key.
        needs_key: Whether it answers nobody without one; local servers usually do answer.
        url_variable: Environment variable that may name another base URL, or empty.
        completion: Whether it continues raw text, for all its models.
        seed: Name of the field for the seed of a draw; empty where there is none.
        many: Whether it may be asked for several answers at once.
    """

    name: str
    what: str
    base_url: str
    key_variable: str
    needs_key: bool = True
    url_variable: str = ""
    completion: bool = False
    seed: str = ""
    many: bool = True

    def dialect(self, model: str) -> Dialect:
        """Return how `model` wants to be asked at this host."""
        return replace(dialect_of(model), seed=self.seed, many=self.many)


OPENAI = Preset(
    "openai",
    "OpenAI",
    "https://api.openai.com/v1",
    "OPENAI_API_KEY",
    url_variable="OPENAI_BASE_URL",
)

_HOSTS = (
    OPENAI,
    Preset(
        "anthropic", "Anthropic", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", many=False
    ),
    Preset(
        "gemini",
        "Google Gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
    ),
    Preset("openrouter", "OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    Preset(
        "together",
        "Together AI",
        "https://api.together.ai/v1",
        "TOGETHER_API_KEY",
        completion=True,
        seed="seed",
    ),
    Preset(
        "groq", "Groq", "https://api.groq.com/openai/v1", "GROQ_API_KEY", seed="seed", many=False
    ),
    Preset(
        "mistral", "Mistral", "https://api.mistral.ai/v1", "MISTRAL_API_KEY", seed="random_seed"
    ),
    Preset("deepseek", "DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    Preset("xai", "xAI", "https://api.x.ai/v1", "XAI_API_KEY"),
    Preset(
        "fireworks",
        "Fireworks AI",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
        completion=True,
    ),
    # The model is the name of a deployment; the URL ends in .openai.azure.com/openai/v1.
    Preset("azure", "Azure OpenAI", "", "AZURE_OPENAI_API_KEY"),
)


def _server(name: str, what: str, port: int, variable: str, *, seed: str = "seed") -> Preset:
    """Return the preset of a server on this machine, at the port that it has by default."""
    url = f"http://localhost:{port}/v1"
    return Preset(name, what, url, variable, needs_key=False, completion=True, seed=seed)


_SERVERS = (
    _server("vllm", "vLLM", 8000, "VLLM_API_KEY"),
    _server("sglang", "SGLang", 30000, "SGLANG_API_KEY"),
    _server("ollama", "Ollama", 11434, "OLLAMA_API_KEY"),
    _server("lmstudio", "LM Studio", 1234, "LM_STUDIO_API_KEY"),
    _server("llamacpp", "llama.cpp's llama-server", 8080, "LLAMACPP_API_KEY"),
    # Whether it passes a seed on is up to the host behind it.
    _server("litellm", "a LiteLLM proxy", 4000, "LITELLM_API_KEY", seed=""),
)

PRESETS: dict[str, Preset] = {preset.name: preset for preset in (*_HOSTS, *_SERVERS)}
"""Every preset by its name."""
