// TLS to PostgreSQL: what an address says of it means what it means to psql and everything else built on libpq. The driver
// by itself takes `require` for `verify-full`, and cannot go without TLS where `prefer` would.
import { accessSync, constants } from 'node:fs';

const MODES = ['disable', 'require', 'verify-ca', 'verify-full'];
const FILES = ['sslrootcert', 'sslcert', 'sslkey'];
const DRIVER_ONLY = 'no-verify';

/**
 * What is wrong with what an address says of TLS, in words without the address, which may hold a password; undefined if
 * it is fine. `given` is the mode for an address that names none, as PGSSLMODE has it.
 */
export function tlsFault(address: string, given: string | undefined): string | undefined {
  const { searchParams: parameters } = new URL(address);
  const mode = parameters.get('sslmode') ?? given;
  const root = parameters.get('sslrootcert');
  if (mode === 'prefer' || mode === 'allow')
    return `sslmode=${mode} is not supported: it promises nothing. Write sslmode=disable, or require for TLS in any case`;
  if (mode !== undefined && mode !== DRIVER_ONLY && !MODES.includes(mode))
    return `has an sslmode that is none of ${MODES.join(', ')}`;
  if (mode === 'verify-ca' && root === null)
    return 'sslmode=verify-ca needs sslrootcert, the file with the certificate of your authority';
  if (root === 'system' && mode !== 'verify-full') return 'sslrootcert=system needs sslmode=verify-full';
  const missing = FILES.find(name => {
    const file = parameters.get(name);
    return file !== null && file !== 'system' && !isReadable(file);
  });
  return missing && `names a file as ${missing} that cannot be read`;
}

/** The address as the driver understands it so; it must have no fault. */
export function withLibpqTls(address: string, given: string | undefined): string {
  const url = new URL(address);
  const mode = url.searchParams.get('sslmode') ?? given;
  if (mode === undefined || mode === DRIVER_ONLY) return address;
  url.searchParams.set('sslmode', mode);
  url.searchParams.set('uselibpqcompat', 'true');
  // The driver’s own default: the authorities that Node knows.
  if (url.searchParams.get('sslrootcert') === 'system') url.searchParams.delete('sslrootcert');
  return url.href;
}

function isReadable(file: string): boolean {
  try {
    accessSync(file, constants.R_OK);
    return true;
  } catch {
    return false;
  }
}
