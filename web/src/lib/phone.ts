/** Telephone numbers in groups that the eye can read; the number itself is never changed. */

const group = (digits: string, sizes: number[]): string => {
  const parts: string[] = []
  let at = 0
  for (const size of sizes) {
    parts.push(digits.slice(at, at + size))
    at += size
  }
  return parts.filter((part) => part !== '').join(' ')
}

/** A mainland number without its prefix 86: mobiles 3-4-4, fixed lines area code then 4-4 or 3-4. */
function mainland(national: string): string | null {
  if (/^1[3-9]\d{9}$/.test(national)) return group(national, [3, 4, 4])
  const fixed = /^0?(10|2\d|[3-9]\d\d)(\d{7,8})$/.exec(national)
  if (fixed === null) return null
  const [, area = '', line = ''] = fixed
  return `0${area} ${line.length === 8 ? group(line, [4, 4]) : group(line, [3, 4])}`
}

export function formatPhone(number: string): string {
  const bare = number.replace(/[\s()-]/g, '')
  if (/^\+86\d+$/.test(bare)) {
    const national = mainland(bare.slice(3))
    return national === null ? number : `+86 ${national.replace(/^0/, '')}`
  }
  if (/^(0|1[3-9])\d{9,11}$/.test(bare)) return mainland(bare) ?? number
  return number
}
