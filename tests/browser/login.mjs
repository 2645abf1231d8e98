// SPDX-License-Identifier: Apache-2.0
// The gateway's own pages in Debian's Chromium, at a telephone's size. Reads {url, user, page, forbidden} as JSON from standard input and writes as JSON
// what was seen in each scene: {scene: {…} or {error}}. Judges nothing; tests/e2e/test_login_page.py does.
import {readFileSync} from "node:fs";
import {createRequire} from "node:module";
import {chromium} from "playwright-core";

const {url, user, page: target, forbidden} = JSON.parse(readFileSync(0, "utf8"));
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync"];
const PHONE = {viewport: {width: 320, height: 640}, ignoreHTTPSErrors: true, hasTouch: true, isMobile: true};

/* What axe-core finds, and what sticks out of the screen. */
async function faultsOf(page, options = {}) {
  await page.evaluate(AXE);
  return page.evaluate(async (chosen) => {
    const {violations} = await axe.run(document, chosen);
    return [...violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`),
      ...(document.documentElement.scrollWidth > innerWidth ? ["wider than the screen"] : [])];
  }, options);
}

async function fill(page, password) {
  await page.getByLabel("User name or e-mail").fill(user.username);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", {name: "Sign in"}).click();
}

async function enter(page) {
  await page.goto(`${url}${target}`);
  await fill(page, user.password);
  await page.waitForURL(`${url}${target}`);
}

const scenes = {
  async "without script"(browser) {
    const context = await browser.newContext({...PHONE, javaScriptEnabled: false});
    const page = await context.newPage();
    await enter(page);
    const signedIn = (await context.cookies()).length;
    await page.goto(`${url}/aaiti/logout`);
    await page.getByRole("button", {name: "Sign out"}).click();
    await page.getByText("You are signed out").waitFor();
    return {signedIn, left: (await context.cookies()).map((c) => c.name), at: page.url()};
  },

  async "the pages in light and dark"(browser) {
    const context = await browser.newContext(PHONE);
    const page = await context.newPage();
    const seen = {};
    const look = async (name) => {
      await page.emulateMedia({colorScheme: "light"});
      seen[`${name}, light`] = await faultsOf(page);
      await page.emulateMedia({colorScheme: "dark"});
      seen[`${name}, dark`] = await faultsOf(page, {runOnly: ["color-contrast"]}); // all that the dark changes
    };
    await page.goto(`${url}${target}`);
    await look("login");
    await fill(page, "Wrong-1-password");
    await page.getByRole("alert").waitFor();
    const said = await page.getByRole("alert").innerText();
    await look("login that failed");
    await fill(page, user.password);
    await page.waitForURL(`${url}${target}`);
    const kept = await page.evaluate(() => { localStorage.setItem("aaiti_token", "x"); return document.cookie; });
    const cookies = await context.cookies();
    await page.goto(`${url}/aaiti/login`);
    await look("signed in");
    await page.goto(`${url}${forbidden}`);
    await look("refusal");
    await page.goto(`${url}/aaiti/logout`);
    await look("logout");
    await page.getByRole("button", {name: "Sign out"}).click();
    await page.getByText("You are signed out").waitFor();
    await look("signed out");
    return {seen, said, cookies, kept, stored: await page.evaluate(() => localStorage.length)};
  },

  /* Another port is another origin, but the same site: the cookie comes along, and only the proof of origin is in the way. */
  async "a second origin"(browser) {
    const context = await browser.newContext(PHONE);
    const page = await context.newPage();
    await enter(page);
    const seen = {};
    for (const origin of ["https://127.0.0.1:9443", "https://evil.example"]) {
      await context.route(`${origin}/**`, (route) => route.fulfill({contentType: "text/html", body: "<!doctype html><title>evil</title>"}));
      for (const [name, path] of [["change", "/api/bots"], ["logout", "/aaiti/logout"], ["login", "/aaiti/login"]]) {
        await page.goto(`${origin}/`);
        const [request] = await Promise.all([
          page.waitForRequest((r) => r.url() === `${url}${path}` && r.method() === "POST"),
          page.waitForURL((at) => at.origin === url),
          page.evaluate((action) => {
            const form = Object.assign(document.createElement("form"), {method: "post", action});
            document.body.append(form);
            form.submit();
          }, `${url}${path}`)]);
        const answer = await request.response();
        seen[`${origin} ${name}`] = {status: answer.status(), cookie: /__Host-aaiti_session/.test((await request.allHeaders()).cookie ?? "")};
      }
    }
    await page.goto(`${url}${target}`);
    return {seen, still: page.url()};
  },
};

const browser = await chromium.launch({executablePath: "/usr/bin/chromium", args: FLAGS, chromiumSandbox: false});
const seen = {};
for (const [name, scene] of Object.entries(scenes)) {
  try {
    seen[name] = await scene(browser);
  } catch (error) {
    seen[name] = {error: String(error)};
  }
}
await browser.close();
console.log(JSON.stringify(seen));
