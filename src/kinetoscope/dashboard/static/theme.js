// Light or dark, before the first paint: what was chosen here, else what the system has.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const chosen = localStorage.getItem("theme");
    const isDark = chosen ? chosen === "dark" : dark.matches;
    document.documentElement.classList.toggle("dark", isDark);
  };
  apply();
  dark.addEventListener("change", apply);
  addEventListener("click", (event) => {
    if (!event.target.closest("[data-theme-next]")) return;
    const isDark = document.documentElement.classList.contains("dark");
    localStorage.setItem("theme", isDark ? "light" : "dark");
    apply();
  });
})();
