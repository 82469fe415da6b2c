/** Files that are kept with a customer. */

/** As the server has it (`crmcore/relations.py`). */
export const MAX_FILE_BYTES = 10 * 1024 * 1024

/** Why a file cannot be kept, before anything of it is sent; null: it can. */
export function refusal(file: Pick<File, 'size'>): 'empty' | 'too_large' | null {
  if (file.size === 0) return 'empty'
  return file.size > MAX_FILE_BYTES ? 'too_large' : null
}

/** A size as people read it: 1 KB is 1024 bytes, one decimal below ten. */
export function fileSize(bytes: number): string {
  const units = ['B', 'KB', 'MB', 'GB']
  let size = bytes
  let unit = 0
  while (size >= 1024 && unit < units.length - 1) {
    size /= 1024
    unit += 1
  }
  return `${unit > 0 && size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`
}
