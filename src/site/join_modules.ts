// The page's modules as one: thirty requests, one after the other's imports, took longer than all else before the first
// row. Each keeps a scope of its own; what it exports is what the function around it returns.
import { basename } from 'node:path';

const IMPORT = /^import\s*\{([^}]*)\}\s*from '([^']+)';$/gm;
const EXPORT = /^export (?=(?:async )?(?:function|const|class) (\w+))/gm;

/** Joins modules, given by their names, from the entry on. What they import from elsewhere stays an import. */
export function joinModules(modules: ReadonlyMap<string, string>, entry: string): string {
  const joined = new Map<string, string>();
  const foreign = new Map<string, string>();

  // What is imported comes before what imports it.
  function take(name: string): void {
    if (joined.has(name)) return;
    const code = modules.get(name);
    if (code === undefined) throw new Error(`there is no module ${name}`);
    joined.set(name, ''); // a circle would go on for ever
    const exported: string[] = [];
    const text = code
      .replaceAll(IMPORT, (_, names: string, path: string) => {
        const isOurs = path.startsWith('./');
        if (isOurs) take(basename(path));
        const from = isOurs ? idOf(basename(path)) : (foreign.get(path) ?? `$${foreign.size}`);
        if (!isOurs) foreign.set(path, from);
        return `const {${names.replaceAll(/\s+as\s+/g, ': ')}} = ${from};`;
      })
      .replaceAll(EXPORT, (_, each: string) => {
        exported.push(each);
        return '';
      });
    const left = /^(?:import\s.*|export\s.*)$/m.exec(text);
    if (left) throw new Error(`${name} cannot be joined: ${left[0]}`);
    joined.delete(name);
    // The entry may wait for something, as only the module itself can; nobody imports it.
    if (name === entry) joined.set(name, text);
    else
      joined.set(name, `const ${idOf(name)} = (() => {\n${text}\nreturn { ${exported.join(', ')} };\n})();`);
  }

  take(entry);
  const imports = [...foreign].map(([path, name]) => `import * as ${name} from '${path}';`);
  return `${[...imports, ...joined.values()].join('\n').replaceAll(/\n\s*\n+/g, '\n')}\n`;
}

function idOf(name: string): string {
  return `$${name.replaceAll(/\W/g, '_')}`;
}
