// Copies what the pages need from node_modules into ../assets/vendor, and makes one sprite of the icons they show.
import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(import.meta.url);
const vendor = path.join(import.meta.dirname, "..", "assets", "vendor");
const packageFile = (name, file) =>
  path.join(path.dirname(require.resolve(`${name}/package.json`, { paths: [import.meta.dirname] })), file);

const FILES = [
  ["@tabler/core", "dist/css/tabler.min.css"],
  ["htmx.org", "dist/htmx.min.js"],
  ["uplot", "dist/uPlot.iife.min.js"],
  ["uplot", "dist/uPlot.min.css"],
];

// Named after what they mean in the pages; the right side is Tabler's name.
const ICONS = {
  overview: "layout-dashboard",
  messages: "mail",
  connections: "plug-connected",
  services: "server",
  tenants: "building",
  routes: "route",
  accounts: "key",
  settings: "settings",
  users: "users",
  tokens: "api",
  sessions: "device-laptop",
  audit: "history",
  doctor: "stethoscope",
  profile: "user-circle",
  "sign-out": "logout",
  menu: "menu-2",
  theme: "sun-moon",
  copy: "copy",
  add: "plus",
  ok: "circle-check",
  warn: "alert-triangle",
  fail: "circle-x",
  info: "info-circle",
  clock: "clock",
  hold: "player-pause",
  release: "player-play",
  cancel: "ban",
  delete: "trash",
  download: "download",
  retry: "refresh",
  resend: "send",
  external: "external-link",
  next: "chevron-right",
  back: "chevron-left",
  up: "arrow-up",
  down: "arrow-down",
  search: "search",
  lock: "lock",
  certificate: "certificate",
  attachment: "paperclip",
};

const symbol = async ([name, tabler]) => {
  const svg = await readFile(packageFile("@tabler/icons", `icons/outline/${tabler}.svg`), "utf8");
  const paths = svg.match(/<(path|circle|rect|line|polyline)\b[^>]*\/>/g).filter((tag) => !tag.includes('stroke="none"'));
  return `<symbol id="${name}" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">${paths.join("")}</symbol>`;
};

await mkdir(vendor, { recursive: true });
for (const [name, file] of FILES) {
  // Without the pointer to a source map, which is not shipped.
  const text = await readFile(packageFile(name, file), "utf8");
  await writeFile(path.join(vendor, path.basename(file)), text.replace(/\/[/*]# sourceMappingURL=.*$/s, ""));
}
const symbols = await Promise.all(Object.entries(ICONS).map(symbol));
await writeFile(path.join(vendor, "icons.svg"), `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>\n`);
await copyFile(path.join(import.meta.dirname, "package-lock.json"), path.join(vendor, "installed-lock.json"));
