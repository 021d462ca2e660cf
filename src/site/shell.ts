// The page before its modules have run: where everything will stand, so that nothing moves when it comes.

interface Shell {
  /** The files' addresses, by their names. */
  addresses: Readonly<Record<string, string>>;
  importMap: string;
  /** The modules that are wanted at once, so that the browser asks for all of them side by side. */
  preload: readonly string[];
}

/** The HTML of the page. */
export function shellOf({ addresses, importMap, preload }: Shell): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="description" content="Tasks and currency rates, live.">
<title>Taskwire</title>
<link rel="icon" href="${addresses['icon.svg']}" type="image/svg+xml">
<link rel="stylesheet" href="${addresses['style.css']}">
<link rel="stylesheet" href="${addresses['uplot.css']}">
<script type="importmap">${importMap}</script>
${preload.map(address => `<link rel="modulepreload" href="${address}">`).join('\n')}
<script type="module" src="${addresses['page.js']}"></script>
</head>
<body>
<header id="bar"></header>
<main id="panels">
<section id="tasks" class="panel" aria-labelledby="tasks-heading"></section>
<section id="rates" class="panel" aria-labelledby="rates-heading"></section>
<section id="runs" class="panel" aria-labelledby="runs-heading"></section>
<section id="tail" class="panel" aria-labelledby="tail-heading"></section>
</main>
<nav id="tabs"></nav>
<div id="notices" role="status" aria-live="polite"></div>
<div id="dialogs"></div>
<noscript><p class="noscript" lang="en">This page needs scripts; without them read <a href="/docs">/docs</a>.</p>
<p class="noscript" lang="ru">Странице нужны скрипты; без них есть <a href="/docs">/docs</a>.</p></noscript>
</body>
</html>
`;
}
