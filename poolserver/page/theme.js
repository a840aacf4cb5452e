/** Light and dark: as the viewer's system has it, until the switch is used. */

const KEPT_AS = "poolserver.theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

export const theme = () => localStorage.getItem(KEPT_AS) ?? (dark.matches ? "dark" : "light");

function apply() {
  document.documentElement.dataset.theme = theme();
  for (const listener of listeners) listener();
}

export function onTheme(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Makes the button the switch. */
export function themeSwitch(button) {
  const name = () => button.setAttribute("aria-label", theme() === "dark" ? "Switch to light" : "Switch to dark");
  button.addEventListener("click", () => {
    localStorage.setItem(KEPT_AS, theme() === "dark" ? "light" : "dark");
    apply();
  });
  dark.addEventListener("change", apply);
  onTheme(name);
  apply();
}
