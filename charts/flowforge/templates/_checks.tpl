{{/* What no schema can say. Included once, by the runs' namespace. */}}
{{- define "flowforge.checks" -}}
{{- if eq .Values.runs.namespace.name .Release.Namespace -}}
{{- fail "runs.namespace.name is the release's namespace: its default-deny policy would cut FlowForge itself off" -}}
{{- end -}}
{{- if not (has .Values.model.default .Values.model.allowed) -}}
{{- fail "model.default has to be one of model.allowed" -}}
{{- end -}}
{{- if not (or .Values.github.enabled .Values.gitlab.enabled .Values.forges) -}}
{{- fail "no forge is served: enable github or gitlab, or name one in forges" -}}
{{- end -}}
{{- $most := .Values.worker.replicas -}}
{{- if .Values.worker.keda.enabled -}}
{{- $most = .Values.worker.keda.maxReplicas -}}
{{- if not .Values.worker.keda.prometheusAddress -}}
{{- fail "worker.keda.prometheusAddress has to say where Prometheus answers" -}}
{{- end -}}
{{- end -}}
{{- $one := and .Values.worker.persistence.enabled (not (has "ReadWriteMany" .Values.worker.persistence.accessModes)) -}}
{{- if and (gt (int $most) 1) $one -}}
{{- fail "several workers cannot have one ReadWriteOnce volume: make it ReadWriteMany, or turn worker.persistence off" -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) -}}
{{- fail "ingress.host has to name the host" -}}
{{- end -}}
{{- if and (eq .Values.secrets.source "externalSecrets") (not .Values.secrets.externalSecrets.store.name) -}}
{{- fail "secrets.externalSecrets.store.name has to name a store" -}}
{{- end -}}
{{- include "flowforge.checks.files" . -}}
{{- if and .Values.evaluation.enabled (ne .Values.secrets.source "existingSecret") -}}
{{- fail "evaluation.enabled goes with secrets.source existingSecret only" -}}
{{- end -}}
{{- end -}}

{{/* Every file that an entry of `forges` names has to come from the source of the secrets, and from it alone. */}}
{{- define "flowforge.checks.files" -}}
{{- $secrets := .Values.secrets -}}
{{- $made := list -}}
{{- if eq $secrets.source "vaultAgent" -}}
{{- if $secrets.files -}}
{{- fail "secrets.files are Secrets, which Vault's agent does not read: use secrets.vaultAgent.files" -}}
{{- end -}}
{{- $made = $secrets.vaultAgent.files -}}
{{- else if eq $secrets.source "externalSecrets" -}}
{{- $made = concat $secrets.files $secrets.externalSecrets.files -}}
{{- else -}}
{{- $made = $secrets.files -}}
{{- end -}}
{{- $directory := include "flowforge.secrets.directory" . -}}
{{- $there := list -}}
{{- range $made -}}
{{- $there = append $there (printf "%s/%s" $directory .name) -}}
{{- end -}}
{{- if ne (len $there) (len (uniq $there)) -}}
{{- fail "two files of secrets have one name" -}}
{{- end -}}
{{- range $forge := .Values.forges -}}
{{- range $key, $path := $forge -}}
{{- if and (hasSuffix "_file" $key) (not (has $path $there)) -}}
{{- fail (printf "%s of %s in forges is %s, which secrets does not make: with secrets.source %s it can be one of %s" $key $forge.name $path $secrets.source (join ", " $there | default "none")) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
