// Dark or light: the system's choice until the user makes one, which is remembered.

export type ThemeName = "dark" | "light";

const KEY = "sonde.theme";

class Theme {
  chosen = $state<ThemeName | null>(null);
  system = $state<ThemeName>("dark");

  constructor() {
    const query = window.matchMedia("(prefers-color-scheme: light)");
    this.system = query.matches ? "light" : "dark";
    query.addEventListener("change", (event) => {
      this.system = event.matches ? "light" : "dark";
      this.apply();
    });
    try {
      const stored = localStorage.getItem(KEY);
      if (stored === "dark" || stored === "light") this.chosen = stored;
    } catch {
      // Storage can be forbidden; then the system's choice holds.
    }
  }

  get name(): ThemeName {
    return this.chosen ?? this.system;
  }

  toggle(): void {
    this.chosen = this.name === "dark" ? "light" : "dark";
    try {
      localStorage.setItem(KEY, this.chosen);
    } catch {
      // Not remembered, but it works for this visit.
    }
    this.apply();
  }

  apply(): void {
    document.documentElement.dataset.theme = this.name;
  }
}

export const theme = new Theme();
