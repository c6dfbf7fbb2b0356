// Check a built site for accessibility (WCAG 2.1 AA) with pa11y, which runs axe and HTML CodeSniffer in Chromium:
//
//     npm install --prefix /tmp/pa11y pa11y
//     NODE_PATH=/tmp/pa11y/node_modules CHROMIUM=/usr/bin/chromium node docs/check_accessibility.mjs docs/_build/html
//
// Each page is checked in a light and a dark theme. The exit status is 1 if there is a serious finding. With
// PUPPETEER_SKIP_DOWNLOAD=1, npm downloads no browser of its own.
import { createRequire } from "node:module";
import { readdirSync } from "node:fs";
import { join, relative, resolve } from "node:path";

const require = createRequire(join(process.env.NODE_PATH ?? ".", "resolve.js"));
const pa11y = require("pa11y");
const puppeteer = require("puppeteer");
const [root, pattern = ""] = process.argv.slice(2);
const pages = readdirSync(root, { recursive: true })
  .filter((path) => path.endsWith(".html") && !path.startsWith("_static") && path.match(pattern))
  .sort();

async function findings(browser, path, theme) {
  const page = await browser.newPage();
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
  const { issues } = await pa11y(`file://${resolve(root, path)}`, {
    browser,
    page,
    runners: ["axe", "htmlcs"],
    standard: "WCAG2AA",
    includeWarnings: true,
    levelCapWhenNeedsReview: "warning", // where axe cannot decide
    timeout: 180_000,
    wait: 500, // the theme marks what scrolls
  });
  await page.close();
  return issues;
}

const browser = await puppeteer.launch({ executablePath: process.env.CHROMIUM, args: ["--no-sandbox"] });
const counts = { error: 0, warning: 0, notice: 0 };
const rules = new Map();
for (const path of pages) {
  for (const theme of ["light", "dark"]) {
    for (const issue of await findings(browser, path, theme)) {
      counts[issue.type] += 1;
      const rule = `${issue.type} ${issue.runner} ${issue.code}`;
      rules.set(rule, (rules.get(rule) ?? 0) + 1);
      if (issue.type === "error") {
        console.log(`${relative(".", join(root, path))} (${theme}): ${issue.code}\n  ${issue.message}\n  ${issue.selector}`);
      }
    }
  }
}
await browser.close();
for (const [rule, count] of [...rules].sort()) {
  console.log(`${String(count).padStart(6)} ${rule}`);
}
console.log(`${pages.length} pages in two themes: ${counts.error} serious findings, ${counts.warning} warnings, ${counts.notice} notices`);
process.exit(counts.error || !pages.length ? 1 : 0);
