// Uses `leads console` in Chromium as operators do: with a mouse, a keyboard and a screen reader, on wide and narrow screens,
// in light and dark, enlarged and on paper. cli/tests/suite/browser.rs runs it, and answers each line that asks for a change
// of the stack.
//
// CONSOLE   the console's URL
// HOSTILE   the relative URL of a buyer whose every text is hostile
// CHROMIUM  the browser
// PICTURES  a folder for pictures of all pages
import assert from "node:assert/strict";
import { mkdtemp, mkdir, readFile, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium } from "playwright-core";

const { CONSOLE, HOSTILE, CHROMIUM, PICTURES } = process.env;
const axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const BUYER = "buyer?id=two-offers";
const PAGES = {
  status: "",
  leads: "leads",
  "dead-letters": "dead-letters",
  gaps: "gaps",
  emails: "emails",
  runbook: "runbook",
  buyer: BUYER,
  dealer: "buyer?id=dealer",
  hostile: HOSTILE,
  unknown: "buyer?id=nobody",
};
const WIDE = { width: 1280, height: 900 };
const NARROW = { width: 400, height: 800 };

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

/** Asks the test for a change of the stack, and waits until it is made. */
async function ask(change) {
  console.log(change);
  await answers.next();
}

const profile = await mkdtemp(join(tmpdir(), "console-"));
const context = await chromium.launchPersistentContext(profile, {
  executablePath: CHROMIUM,
  headless: true,
  viewport: WIDE,
  permissions: ["clipboard-read", "clipboard-write"],
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
const page = await context.newPage();
const complaints = [];
page.on("console", (message) => {
  if (["error", "warning"].includes(message.type())) complaints.push(`${page.url()}: ${message.text()}`);
});
page.on("pageerror", (error) => complaints.push(`${page.url()}: ${error.message}`));
page.on("dialog", (dialog) => {
  complaints.push(`${page.url()}: a script of a name ran`);
  return dialog.dismiss();
});
context.on("request", (request) => {
  const url = request.url();
  if (!url.startsWith(CONSOLE) && !url.startsWith("data:")) complaints.push(`asked for ${url}`);
});

const tests = [];
const test = (rule, body) => tests.push([rule, body]);
const go = (path) => page.goto(CONSOLE + path);

async function findings() {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map((node) => node.html.slice(0, 160)).join(" | ")}`);
}

async function picture(name) {
  if (!PICTURES) return;
  await mkdir(PICTURES, { recursive: true });
  await page.screenshot({ path: join(PICTURES, `${name}.png`), fullPage: true });
}

/** Whether the page as a whole is not wider than the screen; tables and pictures scroll within themselves. */
const overflow = () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

test("axe is at work", async () => {
  await go("");
  await page.evaluate(() => document.querySelector("main").append(document.createElement("button")));
  assert.match((await findings()).join(), /^button-name/);
});

for (const colorScheme of ["light", "dark"]) {
  for (const [size, viewport] of Object.entries({ wide: WIDE, narrow: NARROW })) {
    test(`axe finds nothing on any page, ${colorScheme} and ${size}, and no page is wider than the screen`, async () => {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize(viewport);
      for (const [name, path] of Object.entries(PAGES)) {
        await go(path);
        assert.deepEqual(await findings(), [], name);
        assert.equal(await overflow(), 0, name);
        await picture(`${name}-${size}-${colorScheme}`);
      }
    });
  }
}

test("enlarged to 200 %, all text is there and no page is wider than the screen", async () => {
  // A browser window of 1,280 pixels at 200 % has 640 CSS pixels.
  await page.setViewportSize({ width: 640, height: 450 });
  for (const [name, path] of Object.entries(PAGES)) {
    await go(path);
    assert.equal(await overflow(), 0, name);
    const cut = await page.evaluate(() => [...document.querySelectorAll("h1, h2, p, li, button, summary")]
      .filter((one) => !one.closest(".unseen, .scroll, .skip") && one.offsetParent && one.scrollWidth > one.clientWidth + 1 && getComputedStyle(one).display !== "inline")
      .map((one) => one.textContent.slice(0, 60)));
    assert.deepEqual(cut, [], name);
  }
  await go("");
  await picture("status-enlarged");
});

test("the keyboard reaches everything in order, and its place is visible", async () => {
  await go("");
  await page.keyboard.press("Tab");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "Skip to the content");
  await page.keyboard.press("Enter");
  assert.equal(await page.evaluate(() => document.activeElement.id), "content");
  await go("");
  const reached = [];
  for (;;) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const one = document.activeElement;
      if (one === document.body) return null;
      const style = getComputedStyle(one);
      const box = one.getBoundingClientRect();
      return { text: (one.textContent || one.id).trim(), outline: parseFloat(style.outlineWidth), top: box.top + scrollY };
    });
    if (!at || reached.length > 200) break;
    assert.ok(at.outline >= 2, `${at.text} has no visible focus`);
    reached.push(at);
  }
  const expected = await page.evaluate(() => [...document.querySelectorAll("a, button, input, summary, [tabindex='0']")].filter((one) => one.checkVisibility({ contentVisibilityAuto: true })).length);
  assert.equal(reached.length, expected);
  // A command is opened and copied with two keys.
  await page.locator("#line-mode summary").focus();
  await page.keyboard.press("Enter");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("news").textContent === "Copied.");
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.match(copied, /^aws cloudformation describe-stack-events --stack-name cars/);
});

test("a buyer is found by typing, and its picture scrolls by keyboard on a narrow screen", async () => {
  await page.setViewportSize(NARROW);
  await go("");
  await page.getByLabel("Buyer").fill("two-offers");
  await page.keyboard.press("Enter");
  await page.waitForURL(/buyer\?id=two-offers/);
  assert.equal(await page.getByRole("heading", { level: 1 }).textContent(), "Buyer two-offers");
  const drawn = page.getByRole("region", { name: "Picture of the history" });
  await drawn.focus();
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => document.getElementById("drawn").scrollLeft > 0);
});

test("a screen reader gets headings, landmarks, a described picture and the same as a table", async () => {
  await go(BUYER);
  const image = page.getByRole("img", { name: /All 5 facts, #1 to #5/ });
  assert.equal(await image.count(), 1);
  const table = page.getByRole("region", { name: "The history as a table" }).getByRole("table");
  assert.equal(await table.getByRole("rowheader").count(), 5);
  assert.deepEqual(await page.getByRole("heading", { level: 2 }).allTextContents(), ["History", "Now"]);
  for (const role of ["banner", "main", "contentinfo", "search"]) assert.equal(await page.getByRole(role).count(), 1, role);
});

test("names are text, whatever they are", async () => {
  await go(HOSTILE);
  assert.equal(await page.evaluate(() => document.scripts.length), 1);
  assert.match(await page.getByRole("heading", { level: 1 }).textContent(), /<script>alert\(1\)/);
});

test("going live changes the line that changed, says so, and keeps the operator's place", async () => {
  await go("");
  const line = page.locator("#line-sales-team");
  assert.equal(await line.getAttribute("class"), "ok");
  const untouched = await page.locator("#line-mode").elementHandle();
  await page.locator("#line-sales-team a").focus();
  await page.getByRole("button", { name: "Live" }).evaluate((button) => button.click());
  await page.waitForFunction(() => document.getElementById("link").textContent === "connected");
  await ask("ring SalesTeamWaitsAlarm");
  await page.waitForFunction(() => document.getElementById("line-sales-team").classList.contains("red"));
  assert.match(await line.textContent(), /SalesTeamWaitsAlarm rings/);
  assert.match(await page.locator("#news").textContent(), /lines are red/);
  assert.equal(await page.evaluate(() => document.activeElement.closest("li")?.id), "line-sales-team");
  assert.ok(await untouched.evaluate((one) => one.isConnected), "a line that did not change was replaced");
  assert.deepEqual(await findings(), []);
  await picture("status-live");

  await ask("deny DescribeStacks");
  await page.waitForFunction(() => document.getElementById("failure")?.textContent.includes("is not allowed"));
  assert.equal(await line.getAttribute("class").then((name) => name.split(" ")[0]), "red");
  // Its account is known only from a look that succeeded: the lines do not pass for newer than they are.
  assert.match(await page.locator("#place").textContent(), /account 123456789012/);
  await picture("status-failing");
  await ask("allow everything");
  await page.waitForFunction(() => !document.getElementById("failure"));

  await page.getByRole("button", { name: "Live" }).click();
  assert.equal(await page.getByRole("button", { name: "Live" }).getAttribute("aria-pressed"), "false");
});

test("without scripts everything but going live works", async () => {
  const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox", "--disable-gpu"] });
  const plain = await browser.newPage({ javaScriptEnabled: false });
  await plain.goto(CONSOLE);
  assert.equal(await plain.getByRole("button", { name: "Live" }).isVisible(), false);
  await plain.getByLabel("Buyer").fill("two-offers");
  await plain.getByRole("button", { name: "Show" }).click();
  await plain.getByRole("img", { name: /All 5 facts/ }).waitFor();
  await plain.getByRole("link", { name: "Dead letters" }).click();
  await plain.getByRole("link", { name: "runbook, dead letters" }).click();
  await plain.getByRole("heading", { name: "Dead letters" }).waitFor();
  await browser.close();
});

test("on paper there is no navigation, and the picture fits", async () => {
  // Paper is white, whatever the screen is.
  await page.emulateMedia({ media: "print", colorScheme: "dark" });
  for (const path of ["", BUYER]) {
    await go(path);
    // A4 with margins.
    await page.setViewportSize({ width: 700, height: 1000 });
    assert.equal(await page.getByRole("navigation", { name: "Pages" }).isVisible(), false);
    assert.equal(await overflow(), 0);
    assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
    await picture(path ? "buyer-print" : "status-print");
  }
  assert.ok((await page.pdf({ format: "A4" })).length > 10_000);
});

test("the picture for the README", async () => {
  if (!PICTURES) return;
  await go(BUYER);
  const legend = await page.locator(".legend").boundingBox();
  const clip = { x: 0, y: 0, width: WIDE.width, height: Math.ceil(legend.y + legend.height) + 12 };
  await page.screenshot({ path: join(PICTURES, "console.png"), clip });
});

let failed = 0;
for (const [rule, body] of tests) {
  await page.emulateMedia({ media: "screen", colorScheme: "light" });
  await page.setViewportSize(WIDE);
  complaints.length = 0;
  try {
    await body();
    // A page that is not there, and one that may not be read, are meant to be.
    const others = complaints.filter((one) => !/status of (404|502)/.test(one));
    assert.deepEqual(others, [], "the browser complained");
    process.stderr.write(`ok      ${rule}\n`);
  } catch (error) {
    failed += 1;
    process.stderr.write(`FAILED  ${rule}\n${error.stack}\n`);
  }
}
await context.close();
await rm(profile, { recursive: true, force: true });
process.exit(failed > 0 ? 1 : 0);
