// Runs before the page is drawn: dark where the system is dark, unless the person chose (then the server wrote it).
const root = document.documentElement;
const dark = matchMedia("(prefers-color-scheme: dark)");
const follow = () => {
  if (!root.hasAttribute("data-theme-chosen")) root.setAttribute("data-bs-theme", dark.matches ? "dark" : "light");
};
follow();
dark.addEventListener("change", follow);
