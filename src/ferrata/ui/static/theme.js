// Theme switch. The choice is kept in a cookie, so the server writes it into the page and nothing flashes.

const root = document.documentElement;
const switches = document.querySelectorAll("[data-theme-switch] input");

export function announceTheme() {
  document.dispatchEvent(new CustomEvent("ferrata:theme"));
}

for (const input of switches) {
  input.checked = input.value === root.dataset.theme;
  input.addEventListener("change", () => {
    root.dataset.theme = input.value;
    for (const other of switches) other.checked = other.value === input.value;
    const secure = location.protocol === "https:" ? "; Secure" : "";
    document.cookie = `ferrata_theme=${input.value}; Path=/; Max-Age=31536000; SameSite=Lax${secure}`;
    announceTheme();
  });
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", announceTheme);

// What only works with a script is hidden until there is one.
export function reveal(within) {
  for (const element of within.querySelectorAll("[data-needs-script]")) element.hidden = false;
}
reveal(document);
document.addEventListener("htmx:after:swap", () => reveal(document));
