/** What an agent has noted and the server has not yet taken: kept in this tab over a reload. */

export interface Draft {
  code: string
  notes: string
}

const key = (interaction: string): string => `ctid.draft.${interaction}`

export function readDraft(interaction: string): Draft {
  const stored = sessionStorage.getItem(key(interaction))
  if (stored === null) return { code: '', notes: '' }
  const value = JSON.parse(stored) as Partial<Draft>
  return { code: value.code ?? '', notes: value.notes ?? '' }
}

export function writeDraft(interaction: string, draft: Draft | null): void {
  if (draft === null) sessionStorage.removeItem(key(interaction))
  else sessionStorage.setItem(key(interaction), JSON.stringify(draft))
}
