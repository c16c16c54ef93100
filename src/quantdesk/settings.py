"""Where things are kept and what the account looks like: from desk.toml and the environment."""

import os
from pathlib import Path
from tomllib import TOMLDecodeError

import platformdirs
from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from quantdesk.domain.errors import SettingsError


class Settings(BaseSettings):
    """Read ``DESK_*`` from the environment, then ``desk.toml`` in the working folder.

    Attributes
    ----------
    home : Path
        The one folder under which everything is kept.
    capital : float
        Cash at the start of a backtest, account currency.
    commission_bps, half_spread_bps, impact, borrow_bps : float
        What trading costs; see ``execution.costs.Costs``.
    keys : dict of str to str
        Keys of data sources by name: ``[keys]`` in desk.toml, or ``DESK_KEYS__NAME``.
    """

    model_config = SettingsConfigDict(env_prefix="DESK_", env_nested_delimiter="__", toml_file="desk.toml", extra="forbid")

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("quantdesk", appauthor=False)))
    capital: float = Field(default=1_000_000.0, ge=100, le=1e12)
    commission_bps: float = Field(default=1.0, ge=0, le=1_000)
    half_spread_bps: float = Field(default=2.0, ge=0, le=1_000)
    impact: float = Field(default=1.0, ge=0, le=100)
    borrow_bps: float = Field(default=50.0, ge=0, le=100_000)
    keys: dict[str, str] = Field(default_factory=dict, repr=False)

    @property
    def cost_rates(self) -> dict[str, float]:
        """Give the costs by the names that ``execution.costs.Costs`` takes."""
        return {name: getattr(self, name) for name in ("commission_bps", "half_spread_bps", "impact", "borrow_bps")}

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Let the environment win over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def read_settings() -> Settings:
    """Read the settings.

    Raises
    ------
    SettingsError
        If a value cannot be used.
    """
    from pydantic import ValidationError

    known = {f"DESK_{name.upper()}" for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith("DESK_") and name.partition("__")[0] not in known)
    if unknown:
        raise SettingsError(
            f"environment variable {unknown[0]} is no setting", f"one of {', '.join(sorted(known))}", "unset or correct it"
        )
    try:
        settings = Settings()
    except TOMLDecodeError as error:
        raise SettingsError(f"desk.toml: {error}", "a TOML file", "correct it") from error
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise SettingsError(
            f"setting {name!r} is {first['input']!r}", first["msg"], "correct desk.toml or the DESK_* variable"
        ) from error
    settings.home = settings.home.expanduser().resolve()
    return settings
